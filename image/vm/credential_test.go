package vm

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCredentialFiles(t *testing.T) {
	files, err := credentialFiles(map[string][]byte{"edge.key": []byte("a\nb\x00"), "edge.cert": nil})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	var got []string
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join("/proc/self/fd", strconv.Itoa(int(f.Fd())))) // as QEMU opens it
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
	if want := "io.systemd.credential.binary:edge.cert= io.systemd.credential.binary:edge.key=YQpiAA=="; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The guest finds the strings in its firmware's table: OVMF's shell shows it.
func TestCredentialsReachTheGuest(t *testing.T) {
	needQEMU(t)
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	m, err := Start(ctx, Config{
		Disk: shellDisk(t, "smbiosview -t 11\r\necho trunkline: ready name=shell listeners=1 uptime=1.00s\r\n"), MemoryMiB: 256, CPUs: 1,
		Credentials: map[string][]byte{"edge.key": []byte("secret")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if text := m.ConsoleTail(200); !strings.Contains(text, "io.systemd.credential.binary:edge.key=c2VjcmV0") {
		t.Errorf("the guest's firmware does not have it:\n%s", text)
	}
	args, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(m.PID()), "cmdline"))
	if err != nil || strings.Contains(string(args), "c2VjcmV0") {
		t.Errorf("the command line shows the secret: %q, %v", args, err)
	}
	if err := m.Kill(); err != nil {
		t.Error(err)
	}
}

func TestWrongCredentialsStartNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		value []byte
		want  string
	}{
		{"", nil, "a name has 1 to 255"},
		{"a=b", nil, "a name has 1 to 255"},
		{"../key", nil, "a name has 1 to 255"},
		{"large", make([]byte, maxStrings), "more than the 61440 bytes"},
	} {
		_, err := credentialFiles(map[string][]byte{c.name: c.value})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.name, err, c.want)
		}
	}
}
