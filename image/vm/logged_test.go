package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/image/vm/writelog"
)

// What the guest writes is in the log, over several machines, and replaying it on the disk from
// before gives the disk from after. The guest is OVMF's shell.
func TestWriteLog(t *testing.T) {
	needQEMU(t)
	t.Parallel()
	const script = "if exist fs0:\\one.txt then\r\necho two > fs0:\\two.txt\r\nelse\r\necho one > fs0:\\one.txt\r\nendif\r\n" +
		"echo trunkline: ready name=shell listeners=1 uptime=1.00s\r\n"
	disk := shellDisk(t, script)
	replayed, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "writes,log")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	entries := 0
	for _, file := range []string{"ONE     TXT", "TWO     TXT"} {
		if bytes.Contains(replayed, []byte(file)) {
			t.Fatalf("the disk has %q before the guest has written it", file)
		}
		m, err := Start(ctx, Config{Disk: disk, MemoryMiB: 256, CPUs: 1, Writable: true, WriteLog: name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
		l, n := openLog(t, name)
		if n <= entries {
			t.Fatalf("the log has %d entries, and had %d", n, entries)
		}
		if err := l.Replay(image(replayed), entries, n); err != nil {
			t.Fatal(err)
		}
		entries = n
		if got, err := os.ReadFile(disk); err != nil || !bytes.Equal(got, replayed) {
			t.Fatalf("replayed, the log does not give what is on the disk (%v)", err)
		}
		if !bytes.Contains(replayed, []byte(file)) {
			t.Errorf("the guest has not written %q", file)
		}
	}
}

// image is a disk in memory.
type image []byte

func (m image) WriteAt(b []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(b)) > int64(len(m)) {
		return 0, fmt.Errorf("%d bytes at %d are not within a disk of %d", len(b), at, len(m))
	}
	return copy(m[at:], b), nil
}

func openLog(t *testing.T, name string) (*writelog.Log, int) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := writelog.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return l, len(l.Entries())
}

func TestWriteLogRefuses(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "x.raw")
	if err := os.WriteFile(disk, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"snapshot": {Config{Disk: disk, WriteLog: log}, "raw disk"},
		"USB":      {Config{Disk: disk, WriteLog: log, Writable: true, USB: true}, "raw disk"},
		"bus":      {Config{Disk: disk, WriteLog: log, Writable: true, Bus: NVMe}, "virtio disk"},
		"no place": {Config{Disk: disk, WriteLog: filepath.Join(log, "x"), Writable: true}, "no such file"},
	} {
		if _, err := c.cfg.bootArgs(rawDisk); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
