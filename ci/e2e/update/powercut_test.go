package update

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline/image/entry"
	"trunkline/image/vm/writelog"
)

// stateRoom is how much larger than the build's the disk is, MiB: room for a state partition.
const stateRoom = 64

// lastWrites is how many writes before the restart belong to the scene in which the image gets
// its name.
const lastWrites = 16

var mendedLine = regexp.MustCompile(`trunkline: .* was mended: .*`)

// powerCuts boots disks as they were at random moments of an update: what a machine leaves that
// is killed, and, worse, what one leaves whose disk had not yet written all that it was given.
// Each boots, with the old image or the new one, and takes a call.
//
// The moments are spread over the scenes of the film, in an order of chance: with fewer cuts than
// scenes each run boots disks of others. TRUNKLINE_CUTS is how many there are (8), TRUNKLINE_SEED
// what they follow from (the time).
func powerCuts(t *testing.T, s *site, f *film) {
	cuts, seed := fromEnvironment(t, "TRUNKLINE_CUTS", 8), fromEnvironment(t, "TRUNKLINE_SEED", time.Now().UnixNano())
	log, scenes := f.scenes()
	scenes = withNaming(scenes)
	t.Logf("%d cuts, TRUNKLINE_SEED=%d", cuts, seed)
	for _, c := range scenes {
		t.Logf("writes %3d to %3d of %d: %s", c.from+1, c.to, len(log.Entries()), c.name)
	}
	looks(t, s, f, log, scenes, max(leastLooks, int(cuts)*looksPerCut), uint64(seed))
	order := rand.New(rand.NewPCG(uint64(seed), 0)).Perm(len(scenes))
	for i := range int(cuts) {
		random := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
		c := scenes[order[i%len(scenes)]]
		// Every third machine is killed; the others lose what their disks had not written.
		n, lossy := moment(log, c, i%3 != 0, random)
		t.Run(fmt.Sprintf("%02d", i+1), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, f.before)
			what := r.replay(log, n, lossy, random)
			before := strings.NewReplacer(oldVersion, "OLD", newVersion, "NEW").Replace(strings.Join(r.images(), " "))
			m := r.boot()
			line := r.says(m, `trunkline: ready name=edge-fra1 .*image=sha256:[0-9a-f]*`)
			version := ""
			for name, v := range map[string]string{"old": oldVersion, "new": newVersion} {
				if strings.HasSuffix(line, s.digest(v)) {
					version = name
				}
			}
			if version == "" {
				t.Errorf("neither of the two images has booted: %q", line)
			}
			r.call("after the power cut")
			mended := strings.Join(mendedLine.FindAllString(m.ConsoleTail(20000), -1), "; ")
			if err := m.Kill(); err != nil {
				t.Error(err)
			}
			t.Logf("power cut after write %d of %d (%s): %s; on the disk: %s; booted: the %s version; %s", n, len(log.Entries()), c.name, what, before, version, mended)
		})
	}
}

// looksPerCut is at how many more moments the disk is looked at, without booting it; leastLooks is
// at how many in all, however few are booted.
const (
	looksPerCut = 3
	leastLooks  = 24
)

// looks has a look at disks of other moments, as a boot loader would, which mends nothing: under
// each name that it starts there is a whole image, and the good old one is there whatever happens.
// The directories are where they were: firmware does not read one whose clusters are not all used.
func looks(t *testing.T, s *site, f *film, log *writelog.Log, scenes []scene, n int, seed uint64) {
	t.Helper()
	const loader = "EFI/BOOT/BOOTX64.EFI"
	before := &rig{t: t, disk: f.before}
	was, directories := before.file(loader), before.directories()
	r := &rig{t: t, disk: filepath.Join(t.TempDir(), "look.raw")}
	for i := range n {
		random := rand.New(rand.NewPCG(seed, uint64(1000+i)))
		c := scenes[i%len(scenes)]
		at, lossy := moment(log, c, i%3 != 0, random)
		run(t, "cp", "--sparse=always", f.before, r.disk)
		what := fmt.Sprintf("power cut after write %d (%s): %s", at, c.name, r.replay(log, at, lossy, random))
		if !bytes.Equal(r.file(loader), was) {
			t.Errorf("%s: the boot loader is damaged", what)
		}
		if got := r.directories(); got != directories {
			t.Errorf("%s: the directories have the clusters\n%sand had\n%s", what, got, directories)
		}
		old := false
		for _, name := range r.images() {
			if !strings.HasSuffix(strings.ToLower(name), ".efi") {
				continue
			}
			switch b := r.file(entry.Dir + "/" + name); {
			case bytes.Equal(b, s.image(oldVersion)):
				old = old || name == entry.Good(appliance, oldVersion).File()
			case !bytes.Equal(b, s.image(newVersion)):
				t.Errorf("%s: %s is neither of the two images", what, name)
			}
		}
		if !old {
			t.Errorf("%s: the old image is not there as a good one", what)
		}
	}
}

// withNaming makes a scene of its own of the last writes of the transfer, of which there are few
// beside those of the image: it gets its name there.
func withNaming(scenes []scene) []scene {
	var out []scene
	for _, c := range scenes {
		if c.name == "the transfer" && c.to-c.from > lastWrites {
			middle := c.to - lastWrites
			out = append(out, scene{c.name, c.from, middle}, scene{"the image gets its name", middle, c.to})
			continue
		}
		out = append(out, c)
	}
	return out
}

// moment is after how many writes the power goes. For a machine whose disk loses something it is
// one with writes that were not flushed, if the scene has any.
func moment(log *writelog.Log, c scene, lossy bool, random *rand.Rand) (n int, loses bool) {
	for range 100 {
		n = c.from + 1 + random.IntN(c.to-c.from)
		if !lossy || log.Durable(n) < n {
			return n, lossy
		}
	}
	return n, lossy
}

// replay makes the disk of it that was left; it says what became of the last writes.
func (r *rig) replay(log *writelog.Log, n int, lossy bool, random *rand.Rand) string {
	r.t.Helper()
	d, err := os.OpenFile(r.disk, os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer d.Close()
	sure := n
	if lossy {
		sure = log.Durable(n)
	}
	if err := log.Replay(d, 0, sure); err != nil {
		r.t.Fatal(err)
	}
	if !lossy {
		return "all of them arrived"
	}
	loss, err := log.Cut(d, n, random)
	if err != nil {
		r.t.Fatal(err)
	}
	return loss.String()
}

func fromEnvironment(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
