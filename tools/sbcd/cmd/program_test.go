package cmd_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/proxy/warm"
	"trunkline/tools/sbcd/cmd"
)

func csvFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prefixes.csv")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// While a sync cache is loading there is no socket and no readiness; when it is
// complete there are both, and calls go where the table says.
func TestSlowCache(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	one, two := udpSocket(t, "127.0.41.1"), udpSocket(t, "127.0.41.2")
	a := config(t, runtime.Cache{Path: fifo, Warmup: runtime.WarmupSync}, address(one), address(two))
	p := start(t, a)
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("+49,one\n" + strings.Repeat("+4930,two\n", 5000)); err != nil {
		t.Fatal(err)
	}
	s := p.until("loading", func(s cmd.Status) bool { return len(s.Caches) == 1 && s.Caches[0].Read > 1000 })
	if s.Ready || s.Engine != nil || s.Caches[0].State != warm.Loading || s.Name != "test" || s.SpecDigest != "sha256:00" {
		t.Errorf("status while loading: %+v", s)
	}
	if n := p.udp(); n != 0 {
		t.Errorf("%d UDP sockets are open while the cache loads", n)
	}
	for _, l := range a.Listeners {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(l.Address))
		if err != nil {
			t.Errorf("somebody holds %s while the cache loads: %v", l.Address, err)
			continue
		}
		c.Close()
	}
	for {
		told := p.told(100 * time.Millisecond)
		if told == "" {
			break
		}
		if strings.Contains(told, "READY") {
			t.Errorf("told %q while the cache loads", told)
		}
	}
	if out := p.stdout.String(); out != "" {
		t.Errorf("printed while the cache loads: %q", out)
	}

	f.Close()
	p.ready()
	if n := p.udp(); n != 4 {
		t.Errorf("%d UDP sockets are open when ready, want 2 listeners of 2", n)
	}
	p.until("ready", func(s cmd.Status) bool { return s.Ready })
	line := regexp.MustCompile(`^trunkline: ready name=test listeners=2 uptime=\d+\.\d\ds\n$`)
	if out := p.stdout.String(); !line.MatchString(out) {
		t.Errorf("printed %q", out)
	}
	s = p.status()
	if s.Caches[0].State != warm.Loaded || s.Caches[0].Rows != 2 || s.Engine == nil || len(s.Engine.Listeners) != 2 {
		t.Errorf("status when ready: %+v", s)
	}

	caller := udpSocket(t, "127.0.31.1")
	for user, uas := range map[string]*net.UDPConn{"+4989123": one, "%2B4930123": two} {
		invite(t, caller, a.Listeners[0].Address, user)
		buf := make([]byte, 65536)
		uas.SetReadDeadline(time.Now().Add(patience))
		n, from, err := uas.ReadFromUDPAddrPort(buf)
		if err != nil || from != a.Listeners[1].Address || !strings.HasPrefix(string(buf[:n]), "INVITE sip:"+user+"@") {
			t.Errorf("%s: %v from %s: %.80q", user, err, from, buf[:n])
		}
	}
	if s := p.status(); s.Engine.Calls.Live != 2 {
		t.Errorf("%d calls live, want 2", s.Engine.Calls.Live)
	}
	p.checkViews()
	p.stop()
}

// checkViews looks at the other views of a ready proxy with two calls.
func (p *process) checkViews() {
	p.t.Helper()
	out, errs, code := sbcd(p.t, "status", "--control", p.control)
	for _, want := range []string{"test: ready, up ", "cache prefixes", "loaded", "destination one/one1", "2 live"} {
		if code != 0 || !strings.Contains(out, want) {
			p.t.Errorf("sbcd status: %d, %s%s, want %q in it", code, out, errs, want)
		}
	}
	b, err := control.Get(context.Background(), p.control, control.MetricsPath)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, want := range []string{
		"trunkline_ready 1", "trunkline_calls 2", `trunkline_cache_rows{cache="prefixes"} 2`, `trunkline_events_total{event="calls"} 2`,
		`trunkline_destination_attempts_total{destination="two1",set="two"} 1`, `trunkline_socket_drops_total{listener="core",socket="1"} 0`,
		`trunkline_info{name="test",`, fmt.Sprintf("go_gc_gomemlimit_bytes %v", float64(123<<20)),
	} {
		if !strings.Contains(string(b), want) {
			p.t.Errorf("metrics lack %s:\n%s", want, b)
		}
	}
}

// stop asks the process to end and checks that it does so cleanly.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if code := p.exit(); code != 0 {
		p.t.Errorf("exit code %d after SIGTERM\n%s", code, p.stderr)
	}
	for told := p.told(patience); told != "STOPPING=1"; told = p.told(patience) {
		if told == "" {
			p.t.Error("no STOPPING=1")
			break
		}
	}
	if _, err := os.Stat(p.control); err == nil {
		p.t.Error("the control socket was left behind")
	}
}

func invite(t *testing.T, from *net.UDPConn, to netip.AddrPort, user string) {
	t.Helper()
	id := strings.Trim(user, "+%")
	msg := fmt.Sprintf("INVITE sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-%s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:a@example.net>;tag=%s\r\nTo: <sip:b@example.net>\r\nCall-ID: %s@example.net\r\nCSeq: 1 INVITE\r\n"+
		"Contact: <sip:a@%s>\r\nContent-Length: 0\r\n\r\n", user, to, address(from), id, id, id, address(from))
	if _, err := from.WriteToUDPAddrPort([]byte(msg), to); err != nil {
		t.Fatal(err)
	}
}

// What cannot be served is refused with its reason, and READY=1 is never sent.
func TestRefusals(t *testing.T) {
	fine := runtime.Cache{Path: csvFile(t, "+49,one\n"), Warmup: runtime.WarmupSync}
	taken := udpSocket(t, "127.0.30.1")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		cache  runtime.Cache
		change func(*runtime.Appliance)
		want   string
	}{
		{"late cache", runtime.Cache{Path: fifo, Warmup: runtime.WarmupSync, Within: runtime.Duration(50 * time.Millisecond)}, nil, "not complete within 50ms: raise the cache's timeout"},
		{"taken port of the second listener", fine, func(a *runtime.Appliance) { a.Listeners[1].Address = address(taken) }, "listener core"},
		{"not our address", fine, func(a *runtime.Appliance) { a.Listeners[0].Address = netip.MustParseAddrPort("192.0.2.1:5060") }, "listener carrier"},
		{"unknown set", fine, func(a *runtime.Appliance) { a.Routes[0] = runtime.Route{Name: "r", To: []string{"x"}} }, `dispatcher "x"`},
		{"no listener", fine, func(a *runtime.Appliance) { a.Listeners = nil }, "listener"},
		{"not run by this version", fine, func(a *runtime.Appliance) {
			a.Sockets = &runtime.Sockets{}
		}, "dynamic sockets: take it out of the spec"},
		{"other format", fine, func(a *runtime.Appliance) { a.FormatVersion = 99 }, "format_version 99"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := config(t, tt.cache)
			if tt.change != nil {
				tt.change(a)
			}
			p := start(t, a)
			code, errs := p.exit(), p.stderr.String()
			i := strings.Index(errs, "trunkline: refused: ")
			if code != 1 || i < 0 || !strings.Contains(errs[i:], tt.want) || strings.Count(errs[i:], "\n") != 1 {
				t.Errorf("exit code %d, %q, want %q", code, errs, tt.want)
			}
			if out := p.stdout.String(); out != "" {
				t.Errorf("printed %q", out)
			}
			for told := p.told(50 * time.Millisecond); told != ""; told = p.told(50 * time.Millisecond) {
				if strings.Contains(told, "READY") {
					t.Errorf("told %q", told)
				}
			}
			if _, err := os.Stat(p.control); err == nil {
				t.Error("the control socket was left behind")
			}
		})
	}
}

// A stop during warm-up is a clean end, not a refusal, and nothing was bound.
func TestStopWhileLoading(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, config(t, runtime.Cache{Path: fifo, Warmup: runtime.WarmupSync}))
	p.listening()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 || strings.Contains(p.stderr.String(), "refused") || p.stdout.String() != "" {
		t.Errorf("exit code %d, %s, %s", code, p.stdout, p.stderr)
	}
}

// A background cache holds up nothing and is there later.
func TestBackgroundCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later.csv")
	p := start(t, config(t, runtime.Cache{Path: path, Warmup: runtime.WarmupBackground}))
	p.ready()
	p.until("failed", func(s cmd.Status) bool { return s.Ready && s.Caches[0].State == warm.Failed })
	if err := os.Rename(csvFile(t, "+49,one\n"), path); err != nil {
		t.Fatal(err)
	}
	p.until("loaded", func(s cmd.Status) bool { return s.Caches[0].State == warm.Loaded && s.Caches[0].Rows == 1 })
	p.stop()
}

func TestCommandLine(t *testing.T) {
	noSocket := write(t, config(t, runtime.Cache{Path: "/x", Warmup: runtime.WarmupSync}))
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"format_version":1,"nmae":"x"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"version", 0, "sbcd ", ""},
		{"-help", 0, "Available Commands", ""},
		{"", 0, "Available Commands", ""},
		{"nope", 2, "", `unknown command "nope"`},
		{"run -speed", 2, "", "see `sbcd run --help`"},
		{"run now", 2, "", `unexpected argument "now"`},
		{"run -config /nonexistent/a.json", 1, "", "trunkline: refused: configuration: open /nonexistent/a.json: no such file or directory: name an appliance.json with --config"},
		{"run --config " + broken, 1, "", `trunkline: refused: configuration: ` + broken + `: appliance.json: json: unknown field "nmae"`},
		{"firewall --config " + broken, 1, "", "trunkline: refused: configuration"},
		{"status --config " + noSocket, 1, "", "sbcd: the configuration has no control socket: name the proxy's with --control"},
		{"status --control /nonexistent/c", 1, "", "is sbcd running?"},
	} {
		out, errs, code := sbcd(t, strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(out, tt.stdout) || !strings.Contains(errs, tt.stderr) || (tt.stderr == "") != (errs == "") {
			t.Errorf("sbcd %s: exit code %d, %q, %q, want %d, %q, %q", tt.args, code, out, errs, tt.code, tt.stdout, tt.stderr)
		}
	}
}
