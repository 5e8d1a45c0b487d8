package debian

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStanzaReader(t *testing.T) {
	const text = "\n# a comment\nPackage: a\r\nDescription: short\n long one\n .\n  more\nDEPENDS:b,\n c\n\n \nPackage: last"
	r := NewStanzaReader(strings.NewReader(text))
	var got []Stanza
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	want := []Stanza{
		{{"Package", "a"}, {"Description", "short\nlong one\n.\nmore"}, {"DEPENDS", "b,\nc"}},
		{{"Package", "last"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if got[0].Get("depends") != "b,\nc" || got[0].Get("absent") != "" {
		t.Fatal("Get")
	}
}

func TestStanzaReaderRefuses(t *testing.T) {
	for text, want := range map[string]string{
		" continued":                        "line 1: continuation without a field",
		"A: b\nno colon":                    "line 2: no field name",
		"A B: c":                            "no field name",
		strings.Repeat("A: b\n", 300):       "more than 256 fields",
		"A: " + strings.Repeat("b", 17<<20): "larger than",
	} {
		_, err := NewStanzaReader(strings.NewReader(text)).Next()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
}

func TestParseDependencies(t *testing.T) {
	got, err := ParseDependencies("libc6 (>= 2.38), a:any | b (<< 1~), c(=1:2-3), old (< 5), \n d")
	if err != nil {
		t.Fatal(err)
	}
	want := []Dependency{
		{{"libc6", ">=", "2.38"}},
		{{"a", "", ""}, {"b", "<<", "1~"}},
		{{"c", "=", "1:2-3"}},
		{{"old", "<=", "5"}},
		{{"d", "", ""}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if s := got[1].String(); s != "a | b (<< 1~)" {
		t.Fatal(s)
	}
	for _, bad := range []string{"a (1)", "a (>= )", "a (>= 1", "a b", "a (!= 1)", "/etc | b", "| a", "a (= 1 2)"} {
		if _, err := ParseDependencies(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzControl(f *testing.F) {
	f.Add("Package: a\nDepends: b (>= 1) | c, d:any\n cont\n\nX: y\n")
	f.Add("A: b\n c\n#\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := NewStanzaReader(strings.NewReader(text))
		for {
			s, err := r.Next()
			if err != nil {
				return
			}
			if len(s) == 0 {
				t.Fatal("empty stanza")
			}
			for _, field := range s {
				deps, err := ParseDependencies(field.Value)
				if err != nil {
					continue
				}
				for _, d := range deps {
					again, err := ParseDependencies(d.String())
					if err != nil || !cmp.Equal(again, []Dependency{d}) {
						t.Fatalf("%q reads back as %v, %v", d, again, err)
					}
				}
			}
		}
	})
}
