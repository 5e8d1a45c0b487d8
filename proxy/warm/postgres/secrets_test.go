package postgres

import (
	"errors"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

// The secrets that a database names are read, and no others.
func TestReadSecrets(t *testing.T) {
	read := func(name string) ([]byte, error) {
		if name == "gone" {
			return nil, errors.New("sbcd was not handed it")
		}
		return []byte("of " + name + "\r\n"), nil
	}
	for _, c := range []struct {
		d            runtime.Database
		password, ca string
		want         string // the error
	}{
		{runtime.Database{}, "", "", ""},
		{runtime.Database{Password: "p"}, "of p", "", ""},
		{runtime.Database{CA: "a"}, "", "of a\r\n", ""},
		{runtime.Database{Password: "p", CA: "a"}, "of p", "of a\r\n", ""},
		{runtime.Database{Password: "gone"}, "", "", "secret gone: sbcd was not handed it"},
		{runtime.Database{CA: "gone"}, "", "", "secret gone: sbcd was not handed it"},
	} {
		s, err := ReadSecrets(c.d, read)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: error is %v, want %q", c.d, err, c.want)
			}
			continue
		}
		if err != nil || string(s.Password) != c.password || string(s.CA) != c.ca || (s.Password == nil) != (c.d.Password == "") || (s.CA == nil) != (c.d.CA == "") {
			t.Errorf("%+v: %q, %v", c.d, s, err)
		}
	}
}
