package engine

import (
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

func TestAdvertise(t *testing.T) {
	for _, tt := range []struct {
		advertise string
		via       string // sent-by; empty: refused
	}{
		{"", "192.0.2.1:5070"},
		{"sip.example.net", "sip.example.net:5060"},
		{"sip.example.net:5080", "sip.example.net:5080"},
		{"203.0.113.9", "203.0.113.9:5060"},
		{"2001:db8::9", "[2001:db8::9]:5060"},
		{"[2001:db8::9]", "[2001:db8::9]:5060"},
		{"[2001:db8::9]:5090", "[2001:db8::9]:5090"},
		{"host:0", ""},
	} {
		f, err := newFace(0, runtime.Listener{Name: "x", Address: netip.MustParseAddrPort("192.0.2.1:5070"), Advertise: tt.advertise})
		if tt.via == "" {
			if err == nil || !strings.Contains(err.Error(), "listener x") {
				t.Errorf("%q: error %v", tt.advertise, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.advertise, err)
			continue
		}
		if want := "Via: SIP/2.0/UDP " + tt.via + ";branch="; f.viaHead != want {
			t.Errorf("%q: %q, want %q", tt.advertise, f.viaHead, want)
		}
		if want := "Record-Route: <sip:" + tt.via + ";lr>\r\n"; string(f.recordRoute) != want {
			t.Errorf("%q: %q, want %q", tt.advertise, f.recordRoute, want)
		}
	}
}

func TestDirectory(t *testing.T) {
	p := netip.MustParsePrefix
	d, err := newDirectory([]runtime.Listener{
		{Name: "a", Address: netip.MustParseAddrPort("192.0.2.1:5060"), Advertise: "SIP.example.net", Sources: []netip.Prefix{p("198.51.100.0/24")}},
		{Name: "b", Address: netip.MustParseAddrPort("10.0.0.1:5080"), Peers: []netip.Prefix{p("10.0.0.11/32")}, Sources: []netip.Prefix{p("198.51.100.7/24")}},
		{Name: "c", Address: netip.MustParseAddrPort("[2001:db8::1]:5060"), Sources: []netip.Prefix{p("::/0")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var scratch []byte
	for _, tt := range []struct {
		host string
		port uint16
		want int
	}{
		{"192.0.2.1", 0, 0}, {"192.0.2.1", 5060, 0}, {"192.0.2.1", 5061, -1}, {"sip.EXAMPLE.net", 0, 0}, {"sip.example.net.", 5060, 0}, {".", 0, -1},
		{"10.0.0.1", 0, -1}, {"10.0.0.1", 5080, 1}, {"2001:db8::1", 0, 2}, {"[2001:db8::1]", 5060, 2}, {"", 0, -1},
	} {
		if got := d.find(&scratch, []byte(tt.host), tt.port); got != tt.want {
			t.Errorf("find %s:%d = %d, want %d", tt.host, tt.port, got, tt.want)
		}
	}
	for _, tt := range []struct {
		prefer int
		addr   string
		want   int
	}{
		{0, "198.51.100.9", 0}, {1, "198.51.100.9", 1}, {0, "10.0.0.11", 1}, {0, "10.0.0.12", -1}, {0, "2001:db8::5", 2}, {2, "198.51.100.9", 0},
	} {
		if got := d.toward(tt.prefer, netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("toward %s from %d = %d, want %d", tt.addr, tt.prefer, got, tt.want)
		}
	}
}

// A URI by one of the names we go by is ours, with the port that its transport has when it
// says none.
func TestOwnNames(t *testing.T) {
	at := func(name, transport, address, advertise string) runtime.Listener {
		return runtime.Listener{Name: name, Transport: transport, Address: netip.MustParseAddrPort(address), Advertise: advertise}
	}
	d, err := newDirectory([]runtime.Listener{
		at("udp", "udp", "192.0.2.1:5060", "sip.example.net"), at("tcp", "tcp", "192.0.2.1:5060", "sip.example.net"),
		at("tls", "tls", "192.0.2.1:5061", "sip.example.net"), at("other", "udp", "192.0.2.2:5080", "Other.Example.net:5090"),
		at("six", "udp", "[2001:db8::6]:5060", "[2001:DB8:0:0::7]:5060"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var scratch []byte
	for uri, want := range map[string]int{
		"sip:sip.example.net;lr": 0, "sip:SIP.Example.NET:5060;lr": 0, "sip:sip.example.net.;lr": 0, "sip:sip.example.net;transport=udp;lr": 0,
		"sip:sip.example.net;transport=TCP;lr": 1, "sip:sip.example.net;transport=tls;lr": 2, "sip:sip.example.net:5061;lr": 2,
		"sip:192.0.2.1;transport=tls;lr": 2, "sip:192.0.2.1;lr": 0, "sip:other.example.net:5090;lr": 3, "sip:192.0.2.2:5080;lr": 3,
		"sip:[2001:db8::6];lr": 4, "sip:[2001:DB8:0::0:6]:5060;lr": 4, "sip:[2001:db8::7];lr": 4, "sip:[2001:db8::8];lr": -1,
		"sip:other.example.net;lr": -1, "sip:example.net;lr": -1, "sip:sip.example.net:5062;lr": -1, "sip:sip.example.net.evil;lr": -1,
	} {
		u, err := message.ParseURI([]byte(uri))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.findURI(&scratch, u); got != want {
			t.Errorf("%s is listener %d, want %d", uri, got, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "::ffff:192.0.2.1": "192.0.2.1",
		"": "", "host": "", "cafe.be": "", "1.2.3": "", "fe80::1%eth0": "", "1.2.3.4.5": "",
	} {
		a, ok := literal([]byte(in))
		if ok != (want != "") || (ok && a.String() != want) {
			t.Errorf("%q = %v %v, want %q", in, a, ok, want)
		}
	}
}

func TestBindIsAllOrNothing(t *testing.T) {
	t.Parallel()
	taken := newAgent(t, "127.0.20.1")
	free := freePort(t, "127.0.10.1")
	cfg := newRig(t, 1, nil).cfg
	cfg.Listeners[0].Address, cfg.Listeners[1].Address = free, taken.addr
	e := newEngine(t, cfg)
	err := e.Bind()
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "listener in") {
		t.Fatalf("Bind on a taken port: %v", err)
	}
	taken.conn.Close()
	if err := e.Bind(); err != nil {
		t.Errorf("Bind again, after the port became free: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestWrongConfigurations(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*runtime.Appliance)
		want   string
	}{
		"no listener":   {func(a *runtime.Appliance) { a.Listeners = nil }, "no listener"},
		"no slots":      {func(a *runtime.Appliance) { a.State.Transactions = 0 }, "at least 1"},
		"no timer":      {func(a *runtime.Appliance) { a.Transaction.T1 = 0 }, "T1"},
		"lost listener": {func(a *runtime.Appliance) { a.Dispatchers[0].Destinations[0].Listener = "gone" }, `"gone"`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := *newRig(t, 1, nil).cfg
			tt.change(&cfg)
			if _, err := tryEngine(&cfg, quiet); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
		})
	}
}
