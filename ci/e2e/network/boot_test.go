package network

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"trunkline/image/vm"
)

const wiredSpec = "testdata/wired"

// TestBootedNetwork boots an appliance with a bond, VLANs, a static route, a resolver
// and a time server, and looks at the frames on its cables. It boots from
// the ISO, as virtual media do. This machine's kernel may
// have no driver for any of that; the image's has.
func TestBootedNetwork(t *testing.T) {
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	got := make(chan packet, 1024)
	wan0 := newCable(t, "wan0", 1, "52:54:00:12:34:56", got)
	wan1 := newCable(t, "wan1", 2, "52:54:00:12:34:57", got)
	lan := newCable(t, "lan", 3, "52:54:00:12:34:58", got)
	mgmt := newCable(t, "mgmt", 4, "52:54:00:12:34:59", got)
	wan1.to = wan0.guest // the bond has the MAC of its first member
	var nics []vm.NIC
	for _, c := range []*cable{mgmt, wan1, lan, wan0} { // names come from MACs, not from the order
		nics = append(nics, vm.NIC{MAC: c.guest.String(), Backend: c})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	m, err := vm.Start(ctx, vm.Config{Disk: buildWired(t, bin), CPUs: 1, NICs: nics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console:\n%s", m.ConsoleTail(150))
		}
		stop, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := m.Stop(stop); err != nil {
			t.Log(err)
		}
	})

	var (
		listener, carrier = netip.MustParseAddrPort("203.0.113.10:5060"), netip.MustParseAddrPort("198.51.100.10:5070")
		core, platform    = netip.MustParseAddrPort("10.0.0.10:5060"), netip.MustParseAddrPort("10.77.0.11:5060")
		resolver, clock   = netip.MustParseAddrPort("10.0.9.53:53"), netip.MustParseAddrPort("10.0.9.123:123")
	)
	// Frames that must come; the packet that shows one is kept for the message.
	missing := map[string]string{
		"bond, port wan0":   "LACPDU of a port that distributes, of the bond's MAC, asking for one each second",
		"bond, port wan1":   "the same on the other cable",
		"carriers by wan0":  "reply to OPTIONS on VLAN 100, asked through wan0",
		"carriers by wan1":  "reply to OPTIONS on VLAN 100, asked through wan1",
		"MTU of the VLAN":   "a reply of more than 1500 bytes, whole",
		"static route":      "OPTIONS probe on VLAN 200, to a server behind the router",
		"resolver":          "question for ntp.example.net, untagged, at the management card",
		"time server found": "NTP request to the address the resolver gave: its reply passed the firewall",
	}
	saw := func(what string) {
		if missing[what] != "" {
			t.Logf("seen: %s", what)
		}
		delete(missing, what)
	}
	ask := time.NewTicker(time.Second)
	defer ask.Stop()
	for len(missing) > 0 {
		select {
		case <-ctx.Done():
			for what, frame := range missing {
				t.Errorf("%s: no %s", what, frame)
			}
			return
		case <-m.Done():
			t.Fatalf("the machine ended: %v", m.Err())
		case <-ask.C:
			wan0.sendUDP(100, carrier, listener, options(carrier, "wan0", 0))
			wan1.sendUDP(100, carrier, listener, options(carrier, "wan1", 0))
			wan0.sendUDP(100, carrier, listener, options(carrier, "large", 4000))
		case p := <-got:
			first := strings.SplitN(string(p.payload), "\r\n", 2)[0]
			bonded := p.cable == wan0.name || p.cable == wan1.name
			switch {
			case p.lacp&0x3f == 0x3f && p.partner.String() == wan0.guest.String():
				saw("bond, port " + p.cable)
			case bonded && p.vlan == 100 && p.src == listener && p.dst == carrier && first == "SIP/2.0 200 OK":
				for _, by := range []string{"wan0", "wan1"} {
					if strings.Contains(string(p.payload), "Call-ID: "+by) {
						saw("carriers by " + by)
					}
				}
				if p.size > 4000 {
					saw("MTU of the VLAN")
				}
			case p.cable == lan.name && p.vlan == 200 && p.src == core && p.dst == platform && strings.HasPrefix(first, "OPTIONS sip:10.77.0.11"):
				saw("static route")
			case p.cable == mgmt.name && p.vlan == 0 && p.dst == resolver:
				name, answer := resolve(t, p.payload, clock.Addr())
				if name == "ntp.example.net." {
					saw("resolver")
				}
				mgmt.sendUDP(0, resolver, p.src, answer)
			case p.cable == mgmt.name && p.vlan == 0 && p.dst == clock && len(p.payload) >= 48 && p.payload[0]&7 == 3: // RFC 5905 7.3: client
				saw("time server found")
			case p.dst.Port() == clock.Port() || p.dst.Port() == resolver.Port():
				t.Fatalf("asked of somebody the spec does not name: %+v", p)
			}
		}
	}
}

// buildWired builds the image of the spec with the example's locked packages.
func buildWired(t *testing.T, bin string) (disk string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "wired")
	if err := os.CopyFS(dir, os.DirFS(wiredSpec)); err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile("../../../appliance/examples/edge-fra1/trunkline.lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "trunkline.lock.json"), lock, 0o644); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if b, err := exec.Command(filepath.Join(bin, "trunkline"), "build", dir, "-o", out, "--format", "iso").CombinedOutput(); err != nil {
		t.Fatalf("trunkline build: %v\n%s", err, b)
	}
	return filepath.Join(out, "edge-wired", "edge-wired.iso")
}

// options is a request of its own each time: a repeated one would be a retransmission.
func options(from netip.AddrPort, id string, padding int) []byte {
	n := time.Now().UnixNano()
	return fmt.Appendf(nil, "OPTIONS sip:203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%d\r\nMax-Forwards: 70\r\n"+
		"From: \"%s\" <sip:test@%s>;tag=1\r\nTo: <sip:203.0.113.10>\r\nCall-ID: %s-%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		from, id, n, strings.Repeat("x", padding), from.Addr(), id, n)
}

// resolve answers a DNS question with one address, or with none of another type.
func resolve(t *testing.T, question []byte, a netip.Addr) (name string, answer []byte) {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		t.Fatalf("DNS question %x: %v", question, err)
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	if q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
			Body:   &dnsmessage.AResource{A: a.As4()},
		}}
	}
	answer, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return q.Name.String(), answer
}
