package netlink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	vnl "github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
	"trunkline/policies/firewall"
)

// space is a network namespace of one test.
type space struct {
	t *testing.T
	h netns.NsHandle
}

func newSpace(t *testing.T) *space {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	s := &space{t: t}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, its namespace too.
		goruntime.LockOSThread()
		var err error
		s.h, err = netns.New()
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("new network namespace: %v", err)
	}
	t.Cleanup(func() { s.h.Close() })
	s.ip("link set lo up")
	return s
}

// do runs f on a thread inside the namespace; programs f starts are inside too.
func (s *space) do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		goruntime.LockOSThread()
		if err := netns.Set(s.h); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func (s *space) run(stdin, name string, args ...string) string {
	s.t.Helper()
	var out bytes.Buffer
	err := s.do(func() error {
		cmd := exec.Command(name, args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &out
		return cmd.Run()
	})
	if err != nil {
		s.t.Fatalf("%s %v: %v\n%s", name, args, err, out.String())
	}
	return out.String()
}

func (s *space) ip(args string) { s.t.Helper(); s.run("", "ip", strings.Fields(args)...) }

func (s *space) options() Options { return Options{NetNS: int(s.h)} }

// pair connects two namespaces: "wan" in the first, "far" in the second.
func pair(t *testing.T, near, far *space) {
	t.Helper()
	if err := near.do(func() error {
		return vnl.LinkAdd(&vnl.Veth{LinkAttrs: vnl.LinkAttrs{Name: "wan"}, PeerName: "far", PeerNamespace: vnl.NsFd(far.h)})
	}); err != nil {
		t.Fatalf("veth pair: %v", err)
	}
	near.ip("link set wan up")
	far.ip("link set far up")
}

func compile(t *testing.T, a *runtime.Appliance) *firewall.Ruleset {
	t.Helper()
	rs, err := firewall.Compile(a)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func appliance(t *testing.T, name string) *runtime.Appliance {
	t.Helper()
	a, err := runtime.Load("../testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ruleset lists what the kernel holds, without handles and with lists in the
// order of their text where order means nothing.
func (s *space) ruleset() []string {
	s.t.Helper()
	var doc struct {
		Nftables []map[string]map[string]any `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(s.run("", "nft", "-j", "list", "ruleset")), &doc); err != nil {
		s.t.Fatal(err)
	}
	var rules, others []string
	for _, o := range doc.Nftables {
		for kind, v := range o {
			if kind == "metainfo" {
				continue
			}
			delete(v, "handle")
			if list, ok := v["elem"].([]any); ok {
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(text(a), text(b)) })
			}
			if kind == "rule" {
				rules = append(rules, text(o))
			} else {
				others = append(others, text(o))
			}
		}
	}
	slices.Sort(others)
	return append(others, rules...)
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// bytecode lists the expressions the kernel runs, rule by rule.
func (s *space) bytecode() string {
	s.t.Helper()
	var out []string
	for _, line := range strings.Split(s.run("", "nft", "--debug=netlink", "list", "table", "inet", firewall.TableName), "\n") {
		if strings.HasPrefix(line, "  [ ") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// Both renderings are the same ruleset to the kernel: the listing, and the very
// expressions it runs.
func TestTextAndNetlinkLoadTheSame(t *testing.T) {
	for _, name := range []string{"edge", "bare", "services"} {
		t.Run(name, func(t *testing.T) {
			rs := compile(t, appliance(t, name))
			byText, byNetlink := newSpace(t), newSpace(t)
			// Twice each: a reload replaces, it does not add.
			for range 2 {
				byText.run(rs.Text(), "nft", "-f", "-")
				if err := Apply(rs, byNetlink.options()); err != nil {
					t.Fatal(err)
				}
			}
			a, b := byText.ruleset(), byNetlink.ruleset()
			if len(a) < 20 {
				t.Fatalf("nft lists only %d objects: %v", len(a), a)
			}
			for i := range max(len(a), len(b)) {
				if i >= len(a) || i >= len(b) || a[i] != b[i] {
					t.Fatalf("object %d differs\ntext    %s\nnetlink %s", i, at(a, i), at(b, i))
				}
			}
			if a, b := byText.bytecode(), byNetlink.bytecode(); a != b {
				la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
				for i := range max(len(la), len(lb)) {
					if at(la, i) != at(lb, i) {
						t.Fatalf("expression %d differs\ntext    %s\nnetlink %s", i, at(la, i), at(lb, i))
					}
				}
			}
			// What nft loaded passes our check as well.
			if err := Check(rs, byText.options()); err != nil {
				t.Error(err)
			}
		})
	}
}

func at(l []string, i int) string {
	if i < len(l) {
		return l[i]
	}
	return "(nothing)"
}

func TestDisabledRemovesTheTable(t *testing.T) {
	s := newSpace(t)
	a := appliance(t, "edge")
	if err := Apply(compile(t, a), s.options()); err != nil {
		t.Fatal(err)
	}
	a.Firewall.Enabled = false
	off := compile(t, a)
	if err := Check(off, s.options()); err == nil || !strings.Contains(err.Error(), "though the firewall is off") {
		t.Errorf("check: %v", err)
	}
	for range 2 {
		if err := Apply(off, s.options()); err != nil {
			t.Fatal(err)
		}
	}
	if l := s.ruleset(); len(l) != 0 {
		t.Errorf("still loaded: %v", l)
	}
}

func TestOtherTablesStay(t *testing.T) {
	s := newSpace(t)
	s.run("add table ip mine", "nft", "-f", "-")
	if err := Apply(compile(t, appliance(t, "edge")), s.options()); err != nil {
		t.Fatal(err)
	}
	s.run("", "nft", "list", "table", "ip", "mine")
}

// Check finds what somebody took out of the kernel.
func TestCheckFindsDifferences(t *testing.T) {
	rs := compile(t, appliance(t, "edge"))
	tests := []struct{ name, nft, want string }{
		{"nothing loaded", "delete table inet trunkline", "is not loaded"},
		{"element gone", "delete element inet trunkline sip_carrier-a_sources4 { 198.51.100.0/24 }", "sip_carrier-a_sources4 lacks 2 of 4 elements"},
		{"element added", "add element inet trunkline sip_carrier-a_sources4 { 100.64.0.0/10 }", "has 2 elements too many"},
		{"rule added", "add rule inet trunkline input accept", "chain input has 17 rules instead of 16"},
		{"policy", "add chain inet trunkline input { policy accept; }", "another policy"},
		{"set added", "add set inet trunkline more { type ipv4_addr; }", "15 sets instead of 14"},
		{"chain added", "add chain inet trunkline more", "10 chains instead of 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSpace(t)
			if err := Apply(rs, s.options()); err != nil {
				t.Fatal(err)
			}
			s.run("", "nft", tt.nft)
			if err := Check(rs, s.options()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// scattered gives n prefixes none of which touch, so that nothing merges.
func scattered(n int) []netip.Prefix {
	out := make([]netip.Prefix, n)
	for i := range out {
		out[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i<<1) & 0xfe, 0}), 24)
	}
	return out
}

func TestLargeSourceSetIsComplete(t *testing.T) {
	a := appliance(t, "edge")
	a.Listeners[1].Sources = scattered(5000)
	rs := compile(t, a)
	s := newSpace(t)
	if err := Apply(rs, s.options()); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Nftables []map[string]struct{ Elem []any }
	}
	out := s.run("", "nft", "-j", "list", "set", "inet", firewall.TableName, "sip_core_sources4")
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, o := range doc.Nftables {
		n += len(o["set"].Elem)
	}
	if n != 5000 {
		t.Errorf("the kernel holds %d prefixes of 5000", n)
	}
	// And again over itself, as a reload does.
	if err := Apply(rs, s.options()); err != nil {
		t.Fatal(err)
	}
}

func TestManyListeners(t *testing.T) {
	a := appliance(t, "edge")
	a.Listeners = nil
	for i := range 300 {
		a.Listeners = append(a.Listeners, runtime.Listener{
			Name: fmt.Sprintf("l%d", i), Transport: "udp", Workers: 1,
			Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 10}), uint16(5060+i)),
			Sources: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		})
	}
	if err := Apply(compile(t, a), newSpace(t).options()); err != nil {
		t.Fatal(err)
	}
}

// A table that cannot be loaded leaves the old one in place.
func TestFailedLoadKeepsTheOldTable(t *testing.T) {
	s := newSpace(t)
	rs := compile(t, appliance(t, "edge"))
	if err := Apply(rs, s.options()); err != nil {
		t.Fatal(err)
	}
	before := s.ruleset()
	bad := *rs
	bad.Chains = append(slices.Clone(rs.Chains), firewall.Chain{Name: "bad", Rules: []firewall.Rule{
		{Counter: "no-such-counter", Verdict: firewall.Verdict{Kind: firewall.Drop}},
	}})
	if err := Apply(&bad, s.options()); err == nil {
		t.Fatal("a rule with an unknown counter was loaded")
	}
	if !slices.Equal(before, s.ruleset()) {
		t.Error("the failed load changed the ruleset")
	}
}

func TestWithoutCapability(t *testing.T) {
	if os.Getenv("FIREWALL_UNPRIVILEGED") != "" {
		err := Apply(compile(t, appliance(t, "edge")), Options{})
		if err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN is needed") {
			t.Errorf("error %v", err)
		}
		return
	}
	s := newSpace(t)
	var out []byte
	err := s.do(func() error {
		cmd := exec.Command("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", os.Args[0], "-test.run=^TestWithoutCapability$")
		cmd.Env = append(os.Environ(), "FIREWALL_UNPRIVILEGED=1")
		var err error
		out, err = cmd.CombinedOutput()
		return err
	})
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("setpriv is not installed")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// listen opens a UDP socket inside the namespace.
func (s *space) listen(addr string) *net.UDPConn {
	s.t.Helper()
	var c *net.UDPConn
	err := s.do(func() error {
		var err error
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// receive reads one packet, or reports that none came in time.
func receive(c *net.UDPConn, wait time.Duration) (string, netip.AddrPort, bool) {
	buf := make([]byte, 65535)
	c.SetReadDeadline(time.Now().Add(wait))
	n, from, err := c.ReadFromUDPAddrPort(buf)
	return string(buf[:max(n, 0)]), from, err == nil
}

func connect(c *net.UDPConn, to netip.AddrPort) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var sa unix.Sockaddr = &unix.SockaddrInet4{Port: int(to.Port()), Addr: [4]byte(to.Addr().AsSlice()[:4])}
	if to.Addr().Is6() {
		sa = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	var cerr error
	if err := raw.Control(func(fd uintptr) { cerr = unix.Connect(int(fd), sa) }); err != nil {
		return err
	}
	return cerr
}
