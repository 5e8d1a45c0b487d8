package boot

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fewer are the calls of the example's load that its two cores can relay media of.
var fewer = []struct{ from, to string }{
	{"cps              = 200\n", "cps = 10\n"}, {"= 12000\n", "= 300\n"}, {"cps              = 240\n", "cps = 20\n"}, {"= 14000\n", "= 800\n"},
}

// relaySpec is the example with a media relay of its own, fewer calls, and a lock file that has
// rtpengine.
func relaySpec(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "edge-relay")
	// Later directories win: the lock file is the second one's.
	for _, from := range []string{"../../../appliance/examples/edge-fra1", "testdata/relay"} {
		files, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(filepath.Join(from, f.Name()))
			for _, r := range fewer {
				if f.Name() != "edge.hcl" {
					break
				}
				if n := strings.Count(string(b), r.from); n != 1 {
					t.Fatalf("%q stands %d times in %s", r.from, n, f.Name())
				}
				b = []byte(strings.Replace(string(b), r.from, r.to, 1))
			}
			if err == nil {
				err = os.MkdirAll(dir, 0o755)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, f.Name()), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// The ports of the relay, as testdata/relay has them.
const firstPort, lastPort = 30000, 33999

// Calls go through the rtpengine of the appliance itself: one without it would get 503. Nothing
// but its sockets is open beside the listeners', as the audit from within finds.
func TestRelayOnTheBootedImage(t *testing.T) {
	bin := programs(t)
	out := t.TempDir()
	run(t, filepath.Join(bin, "trunkline"), "build", relaySpec(t), "-o", out)
	n := newNetwork(t)
	n.sipp("uas_call", fs1, "-timeout", "15m", "-rtp_echo")
	n.sipp("uas_call", fs2, "-timeout", "15m", "-rtp_echo")
	m := n.bootWith(filepath.Join(out, "edge-fra1/edge-fra1.raw"), map[string][]byte{"trunkline.audit": []byte("yes")})
	ctx, cancel := context.WithTimeout(context.Background(), bootWithin)
	defer cancel()
	ready, err := m.Ready(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready: %.0f MiB of memory in use", float64(ready.Memory)/(1<<20))
	if err := waitConsole(ctx, m, regexp.MustCompile(`trunkline: audit: all \d+ checks hold|audit: \d+ of \d+ checks failed`)); err != nil {
		t.Fatal(err)
	}
	sockets := ""
	for line := range strings.Lines(m.ConsoleTail(1000)) {
		if strings.Contains(line, "audit: ") && strings.Contains(strings.ToLower(line), "failed") {
			t.Error(strings.TrimSpace(line))
		}
		if strings.Contains(line, "sockets for commands to media relays") {
			sockets = strings.TrimSpace(line)
		}
	}
	if !strings.Contains(sockets, "1 of 1 sockets for commands to media relays") {
		t.Errorf("the audit says of sockets: %q", sockets)
	}
	caller := n.newMediaCaller()
	for range 3 {
		port := caller.call(netip.MustParseAddr(listener))
		if p := int(port.Port()); p < firstPort || p > lastPort {
			t.Errorf("media through port %d, which is none of the relay's", p)
		}
		t.Logf("media relayed through %s", port)
	}
}
