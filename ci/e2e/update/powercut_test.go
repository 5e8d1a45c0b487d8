//go:build powercut

package update

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// afterRequest is how long after an appliance has asked for an image the power may go: it
// reaches over transfer, check, installation, restart and trial.
const afterRequest = 100 * time.Second

// TestPowerCuts takes the power away from the machine at random moments of an update, again and
// again: it boots every time, and takes calls. The disk goes from cut to cut as it was left,
// until the update has come to its end; then the next begins with the disk of the build.
//
// TRUNKLINE_CUTS is how many (20), TRUNKLINE_SEED what the moments follow from (the time).
func TestPowerCuts(t *testing.T) {
	bin, _ := environment(t)
	cuts, seed := fromEnvironment(t, "TRUNKLINE_CUTS", 20), fromEnvironment(t, "TRUNKLINE_SEED", time.Now().UnixNano())
	t.Logf("%d cuts, TRUNKLINE_SEED=%d", cuts, seed)
	moments := rand.New(rand.NewPCG(uint64(seed), 0))

	s := newSite(t, filepath.Join(bin, "trunkline"))
	s.publish("2")
	r := newRig(t, s.disk("1"))
	www := r.serve(s.certificate)
	www.Store(&s.www)
	r.clock = s.clock(t)
	asked := make(chan bool, 16)
	r.asked = func(path string) {
		if strings.HasSuffix(path, ".efi") {
			select {
			case asked <- true:
			default:
			}
		}
	}
	updated := 0
	for i := range cuts {
		m := r.boot()
		line := r.says(m, `trunkline: ready name=edge-fra1 .*image=sha256:[0-9a-f]*`)
		version := "1"
		if strings.HasSuffix(line, s.digest("2")) {
			version = "2"
		}
		after := time.Duration(moments.Int64N(int64(afterRequest)))
		if version == "1" {
			select {
			case <-asked:
			case <-time.After(within):
				t.Fatalf("cut %d: the appliance does not ask for the new image", i+1)
			}
		}
		select {
		case <-time.After(after):
		case <-m.Done():
			t.Fatalf("cut %d: the machine ended by itself: %v", i+1, m.Err())
		}
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
		for len(asked) > 0 {
			<-asked
		}
		t.Logf("cut %d: version %s had booted, the power went %.1f s after the request (or after ready); on the disk: %s", i+1, version, after.Seconds(), strings.Join(r.images(), " "))
		if version == "2" {
			updated++
			run(t, "cp", "--sparse=always", s.disk("1"), r.disk)
		}
	}
	m := r.boot()
	r.says(m, `trunkline: ready name=edge-fra1 `)
	r.call("after the last cut")
	t.Logf("%d cuts, after %d of them the new image ran; the machine booted every time", cuts, updated)
	r.stop(m)
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
