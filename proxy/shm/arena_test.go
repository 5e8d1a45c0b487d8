package shm

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

type row struct {
	ID    uint64
	Count atomic.Uint32
	Addr  [16]byte
}

func make1(t *testing.T, o Options) (*Arena, []row, []uint32) {
	t.Helper()
	a, err := Create(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	rows, err := Take[row](a, "rows", 1000)
	if err != nil {
		t.Fatal(err)
	}
	index, err := Take[uint32](a, "index", 4096)
	if err != nil {
		t.Fatal(err)
	}
	return a, rows, index
}

// again is the file as another process gets it.
func again(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "again")
}

func TestAdopt(t *testing.T) {
	a, rows, index := make1(t, Options{})
	rows[999].ID, index[4095] = 77, 5
	rows[3].Count.Store(9)
	if err := a.Serve(); err != nil {
		t.Fatal(err)
	}
	before := a.Clock()
	b, err := Adopt(again(t, a.File()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if !b.Adopted() || a.Adopted() || b.Generation() != 1 {
		t.Errorf("adopted %v, generation %d", b.Adopted(), b.Generation())
	}
	rows2, err := Take[row](b, "rows", 1000)
	if err != nil {
		t.Fatal(err)
	}
	index2, err := Take[uint32](b, "index", 4096)
	if err != nil {
		t.Fatal(err)
	}
	if rows2[999].ID != 77 || index2[4095] != 5 || rows2[3].Count.Load() != 9 {
		t.Error("the rows are not those of before")
	}
	if k1, _ := a.Key(2); k1 == [16]byte{} {
		t.Error("the key is zero")
	} else if k2, _ := b.Key(2); k1 != k2 {
		t.Error("the key changed")
	}
	if after := b.Clock(); after < before {
		t.Errorf("the clock went back from %v to %v", before, after)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	type other struct {
		ID    uint64
		Other atomic.Uint32
		Addr  [16]byte
	}
	rowsOf := func(n int) func(*Arena) error {
		return func(a *Arena) error { _, err := Take[row](a, "rows", n); return err }
	}
	for _, tc := range []struct {
		name  string
		serve bool
		o     Options
		take  func(*Arena) error
		want  string
	}{
		{"not served", false, Options{}, nil, "had not come to serve"},
		{"configuration", true, Options{Binding: [32]byte{1}}, nil, "another configuration"},
		{"huge pages", true, Options{HugePages: 2 << 20}, nil, "pages of 4096 bytes"},
		{"rows", true, Options{}, rowsOf(1001), "rows has 1000 rows of 32 bytes, this program's 1001 of 32"},
		{"name", true, Options{}, func(a *Arena) error { _, err := Take[row](a, "others", 1000); return err }, "region 0 is rows, this program's is others"},
		{"shape", true, Options{}, func(a *Arena) error { _, err := Take[other](a, "rows", 1000); return err }, "rows of rows have another shape"},
		{"one more", true, Options{}, func(a *Arena) error {
			for _, err := range []error{rowsOf(1000)(a), func() error { _, err := Take[uint32](a, "index", 4096); return err }()} {
				if err != nil {
					return err
				}
			}
			_, err := Take[uint8](a, "more", 1)
			return err
		}, "it has no region more"},
		{"one less", true, Options{}, func(a *Arena) error {
			if err := rowsOf(1000)(a); err != nil {
				return err
			}
			return a.Serve()
		}, "it has 2 regions, 1 were taken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, _, _ := make1(t, Options{})
			if tc.serve {
				if err := a.Serve(); err != nil {
					t.Fatal(err)
				}
			}
			b, err := Adopt(again(t, a.File()), tc.o)
			if err == nil {
				defer b.Close()
				if tc.take != nil {
					err = tc.take(b)
				}
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// What is no arena is refused, whatever it is.
func TestNoArena(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "short": "x", "long": strings.Repeat("x", 3*page)} {
		t.Run(name, func(t *testing.T) {
			f, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(content); err != nil {
				t.Fatal(err)
			}
			if a, err := Adopt(f, Options{}); err == nil {
				a.Close()
				t.Error("it was adopted")
			}
		})
	}
}

func TestTakeRefuses(t *testing.T) {
	a, _, _ := make1(t, Options{})
	type inner struct{ P []byte }
	type bad struct {
		A uint64
		B [2]inner
	}
	if _, err := Take[bad](a, "bad", 1); err == nil || !strings.Contains(err.Error(), "holds a pointer: B P []uint8") {
		t.Errorf("error %v", err)
	}
	if _, err := Take[row](a, "far too long a name for a region", 1); err == nil {
		t.Error("a long name was taken")
	}
	if _, err := Take[row](a, "huge", 1<<40); err == nil {
		t.Error("more rows than there is address space for")
	}
}

func TestHeap(t *testing.T) {
	rows, err := Take[row](nil, "rows", 7)
	if err != nil || len(rows) != 7 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	var a *Arena
	if a.Adopted() || a.File() != nil || a.Size() != 0 || a.Regions() != nil || a.Serve() != nil || a.Close() != nil {
		t.Error("a nil arena is more than nothing")
	}
}

// Huge pages that nobody set aside are an error that says so.
func TestHugePages(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/vm/nr_hugepages")
	if err != nil || strings.TrimSpace(string(b)) != "0" {
		t.Logf("huge pages set aside: %s; the refusal is not seen here", strings.TrimSpace(string(b)))
		return
	}
	if a, err := Create(Options{HugePages: 2 << 20}); err == nil {
		a.Close()
		t.Error("there are huge pages where none are")
	} else if !strings.Contains(err.Error(), "vm.nr_hugepages") {
		t.Errorf("error %v", err)
	}
	if _, err := Create(Options{HugePages: 4096 * 3}); err == nil || !strings.Contains(err.Error(), "use 2 MiB or 1 GiB") {
		t.Errorf("error %v", err)
	}
}

// A process that is killed leaves what it wrote.
func TestKilled(t *testing.T) {
	if os.Getenv("SHM_TEST_WRITER") != "" {
		write()
		return
	}
	a, err := Create(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := Take[row](a, "rows", 8); err != nil {
		t.Fatal(err)
	}
	if err := a.Serve(); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	c.Env = append(os.Environ(), "SHM_TEST_WRITER=1")
	c.ExtraFiles = []*os.File{a.File()}
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "written\n" {
		t.Fatalf("the writer said %q, %v", line, err)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	b, err := Adopt(again(t, a.File()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	rows, err := Take[row](b, "rows", 8)
	if err != nil {
		t.Fatal(err)
	}
	if n := rows[5].Count.Load(); n < 1000 {
		t.Errorf("the killed process had counted to at least 1000, the arena has %d", n)
	}
	if b.Generation() != 2 {
		t.Errorf("generation %d", b.Generation())
	}
}

func write() {
	a, err := Adopt(os.NewFile(3, "arena"), Options{})
	if err != nil {
		panic(err)
	}
	rows, err := Take[row](a, "rows", 8)
	if err != nil {
		panic(err)
	}
	if err := a.Serve(); err != nil {
		panic(err)
	}
	for n := 0; ; n++ {
		rows[5].Count.Add(1)
		if n == 1000 {
			os.Stdout.WriteString("written\n")
		}
	}
}
