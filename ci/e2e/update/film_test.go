package update

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/image/vm"
	"trunkline/image/vm/writelog"
)

// film is all that machines did to a disk, and where in it what happened.
type film struct {
	t      *testing.T
	before string // the disk as it was before the first machine
	writes string // file of the log
	cues   []cue
}

// cue is the end of a scene: size is that of the log then, bytes.
type cue struct {
	name string
	size int64
}

// record has what machines do to the disk from now on logged.
func (r *rig) record() *film {
	r.t.Helper()
	dir := r.t.TempDir()
	f := &film{t: r.t, before: filepath.Join(dir, "before.raw"), writes: filepath.Join(dir, "writes.log")}
	run(r.t, "cp", "--sparse=always", r.disk, f.before)
	r.writes = f.writes
	return f
}

func (f *film) size() int64 {
	f.t.Helper()
	st, err := os.Stat(f.writes)
	if err != nil {
		f.t.Fatal(err)
	}
	return st.Size()
}

// cue ends a scene.
func (f *film) cue(name string) { f.cues = append(f.cues, cue{name, f.size()}) }

// cut takes the power away from a machine, by killing QEMU, once a third of the next image has
// arrived on its disk.
func (r *rig) cut(m *vm.VM, f *film) {
	r.t.Helper()
	end := time.After(within)
	for from := f.size(); f.size() < from+12<<20; {
		select {
		case <-end:
			r.t.Fatal("the appliance does not write the image to its disk")
		case <-m.Done():
			r.t.Fatalf("the machine ended before the transfer: %v", m.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := m.Kill(); err != nil {
		r.t.Fatal(err)
	}
	// The file that is not whole has its name, or half of it, which is the alias.
	good := appliance + "_" + oldVersion + ".efi"
	if got := r.images(); len(got) != 2 || !slices.Contains(got, good) || !slices.ContainsFunc(got, func(name string) bool {
		return strings.HasPrefix(strings.ToLower(filepath.Ext(name)), ".par")
	}) {
		r.t.Errorf("when the power went, the disk had %q", got)
	}
}

// scene is a part of the log: after entries from to to have completed, one of them at least.
type scene struct {
	name     string
	from, to int
}

// scenes reads the log.
func (f *film) scenes() (*writelog.Log, []scene) {
	f.t.Helper()
	file, err := os.Open(f.writes)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { file.Close() })
	log, err := writelog.Read(file, f.size())
	if err != nil {
		f.t.Fatal(err)
	}
	var out []scene
	from := 0
	for _, c := range f.cues {
		to := log.Within(c.size)
		if to <= from {
			f.t.Fatalf("nothing was written until the end of: %s", c.name)
		}
		out = append(out, scene{c.name, from, to})
		from = to
	}
	return log, out
}
