package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// group is scripts that share a spec and a running sbcd.
type group struct {
	name string
	net  int    // of 127.61.N.0/24; 0: everything on ::1
	a, b string // transports of the two sides
	// spec is text of the spec and what stands there instead, in turns.
	spec []string
	// tune changes what the spec was compiled to, where its language does not say it.
	tune func(*runtime.Appliance)

	parties map[string]*party
	secrets secrets
	proxy   *sbcd
	serial  int // of calls
	count   int // of barriers
}

// hosts are the last numbers of addresses, or ports on ::1.
var hosts = map[string]int{"a": 10, "x": 11, "b": 20, "c": 21, "d": 22, "s": 66}

func (g *group) address(host int) netip.AddrPort {
	if g.net == 0 {
		return netip.MustParseAddrPort(fmt.Sprintf("[::1]:%d", 5060+host))
	}
	return netip.MustParseAddrPort(fmt.Sprintf("127.61.%d.%d:5060", g.net, host))
}

// faceOf is the listener a party talks to.
func (g *group) faceOf(p *party) face {
	if strings.Contains("axs", p.name) {
		return g.carrier()
	}
	return g.core()
}

func (g *group) carrier() face {
	if g.net == 0 {
		return face{g.address(0), g.a}
	}
	return face{g.address(2), g.a}
}

func (g *group) core() face { return face{g.address(3), g.b} }

// start compiles the spec, runs sbcd and opens the parties.
func (g *group) start(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	g.secrets.make(t, g, filepath.Join(dir, "credentials"))
	config := g.compile(t, dir)
	g.proxy = startProxy(t, dir, config)
	g.parties = map[string]*party{}
	for name, host := range hosts {
		p := &party{name: name, addr: g.address(host), news: make(chan struct{}, 1), seen: map[string]bool{}}
		f := g.faceOf(p)
		p.proxy, p.transport = f.addr, f.transport
		switch {
		case p.browser() && secure(p.transport):
			p.tls = g.secrets.visitor
		case secure(p.transport):
			p.tls = g.secrets.config
		}
		p.open(t)
		g.parties[name] = p
	}
}

func (g *group) stop() {
	for _, p := range g.parties {
		p.close()
	}
	g.proxy.stop()
}

// compile writes the spec of the group and bakes it; it returns the configuration.
func (g *group) compile(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/base.hcl")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i+1 < len(g.spec); i += 2 {
		if !strings.Contains(text, g.spec[i]) {
			t.Fatalf("the spec does not hold %q", g.spec[i])
		}
		text = strings.ReplaceAll(text, g.spec[i], g.spec[i+1])
	}
	quoted := func(names ...string) string {
		var out []string
		for _, n := range names {
			a := g.address(hosts[n]).Addr()
			out = append(out, fmt.Sprintf("%q", netip.PrefixFrom(a, a.BitLen()).String()))
		}
		slices.Sort(out)
		return strings.Join(slices.Compact(out), ", ")
	}
	block := func(transport string) string {
		switch transport {
		case "tls":
			return encrypted
		case "wss": // browsers show no certificate
			return strings.Replace(encrypted, "    client_ca   = \"ca\"\n", "", 1)
		}
		return ""
	}
	parameter := ""
	if g.b != "udp" {
		parameter = ";transport=" + g.b
	}
	pairs := []string{
		"@PROXY_A@", g.carrier().addr.Addr().String(), "@PROXY_B@", g.core().addr.Addr().String(), "@PORT_B@", fmt.Sprint(g.core().addr.Port()),
		"@TRANSPORT_A@", g.a, "@TRANSPORT_B@", g.b, "@TLS_A@\n", block(g.a), "@TLS_B@\n", block(g.b),
		"@SOURCES_A@", quoted("a", "x"), "@SOURCES_B@", quoted("b", "c", "d"),
	}
	for _, n := range []string{"b", "c", "d"} {
		pairs = append(pairs, "@"+strings.ToUpper(n)+"@", g.address(hosts[n]).String()+parameter)
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	if secure(g.a) || secure(g.b) {
		text += secretBlocks
	}
	source, out := filepath.Join(dir, "spec"), filepath.Join(dir, "config")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(source, "spec.hcl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command(binary(t, "trunkline"), "bake", source, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("trunkline bake: %v\n%s\n%s", err, b, text)
	}
	path := filepath.Join(out, "etc/trunkline/appliance.json")
	a, err := runtime.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if g.tune != nil {
		g.tune(a)
	}
	if b, err = runtime.Encode(a); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// encrypted is the block of a listener over TLS.
const encrypted = `
  tls {
    certificate = "cert"
    key         = "key"
    client_ca   = "ca"
  }
`

// secretBlocks name the credentials of secrets.make.
const secretBlocks = `
secret "cert" {
  from = "credential"
}
secret "key" {
  from = "credential"
}
secret "ca" {
  from = "credential"
}
`

// secure reports whether a transport is over TLS.
func secure(transport string) bool { return transport == "tls" || transport == "wss" }

// spoken is a transport as URIs name it (RFC 7118 5.2.1).
func spoken(transport string) string { return strings.Replace(transport, "wss", "ws", 1) }

// binary is the path of one of our programs.
func binary(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("TRUNKLINE_BIN")
	if dir == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make sip`, which builds the programs and sets it")
	}
	return filepath.Join(dir, name)
}

// sbcd is a running proxy.
type sbcd struct {
	t       testing.TB
	cmd     *exec.Cmd
	out     strings.Builder
	control http.Client
}

// startProxy runs sbcd; it returns once READY=1 has arrived.
func startProxy(t testing.TB, dir, config string) *sbcd {
	t.Helper()
	socket := filepath.Join(dir, "control.sock")
	s := &sbcd{t: t}
	s.control.Timeout = patience
	s.control.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	s.cmd = exec.Command(binary(t, "sbcd"), "run", "--config", config, "--control", socket)
	s.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify.LocalAddr().String(), "CREDENTIALS_DIRECTORY="+filepath.Join(dir, "credentials"))
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	_ = notify.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	for {
		n, err := notify.Read(buf)
		if err != nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
			t.Fatalf("sbcd sent no READY=1: %v\n%s", err, s.out.String())
		}
		if strings.Contains(string(buf[:n]), "READY=1") {
			return s
		}
	}
}

// stop ends sbcd; one that has ended before, or does not end cleanly, fails the test.
func (s *sbcd) stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	s.control.CloseIdleConnections()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("sbcd ended with %v\n%s", err, s.out.String())
	}
}

// figures is what the tests read of the status.
type figures struct {
	Counters     map[string]uint64
	Transactions struct {
		Live  int64
		Bytes int64 `json:"message_bytes"`
	}
	Calls        struct{ Live int64 }
	Concurrent   struct{ Live int64 }
	Destinations []destination
	Listeners    []struct {
		Connections struct{ Connections int64 }
	}
}

type destination struct {
	Set, Name, State string
	Calls            int64
	Attempts         uint64
	Failed           uint64
}

func (s *sbcd) figures(t testing.TB) figures {
	t.Helper()
	resp, err := s.control.Get("http://sbcd/v1/status")
	if err != nil {
		t.Fatalf("sbcd does not answer on its control socket: %v\n%s", err, s.out.String())
	}
	defer resp.Body.Close()
	var st struct{ Engine figures }
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		t.Fatal(err)
	}
	if len(st.Engine.Counters) == 0 {
		t.Fatal("the status has no counters")
	}
	return st.Engine
}

// held says what sbcd still holds, "" for nothing.
func (f figures) held() string {
	var places int64
	for _, d := range f.Destinations {
		places += d.Calls
	}
	if f.Transactions.Live == 0 && f.Transactions.Bytes == 0 && f.Calls.Live == 0 && f.Concurrent.Live == 0 && places == 0 {
		return ""
	}
	return fmt.Sprintf("%d transactions with %d bytes, %d calls, %d of the concurrency limit, %d places at destinations",
		f.Transactions.Live, f.Transactions.Bytes, f.Calls.Live, f.Concurrent.Live, places)
}

// pause is the time between two looks at a status that is to change.
const pause = 10 * time.Millisecond

// settle waits until sbcd holds nothing.
func (g *group) settle(t testing.TB) figures {
	t.Helper()
	for end := time.Now().Add(2 * patience); ; time.Sleep(pause) {
		f := g.proxy.figures(t)
		held := f.held()
		if held == "" {
			return f
		}
		if time.Now().After(end) {
			t.Fatalf("sbcd still holds %s", held)
		}
	}
}

// disconnect ends all connections of the parties.
func (g *group) disconnect(t testing.TB) {
	t.Helper()
	for _, p := range g.parties {
		p.hangUp(false)
	}
	g.noticed(t)
}

// noticed waits until the proxy has no connection that its peer has ended. It looks a
// second time: a tick of its timers may pass until requests are moved that waited.
func (g *group) noticed(t testing.TB) {
	t.Helper()
	open := int64(0)
	for _, p := range g.parties {
		p.mu.Lock()
		for _, l := range p.links {
			if !l.gone {
				open++
			}
		}
		p.mu.Unlock()
	}
	looks := 0
	for end := time.Now().Add(patience); looks < 3; time.Sleep(pause) {
		var live int64
		for _, l := range g.proxy.figures(t).Listeners {
			live += l.Connections.Connections
		}
		if live == open {
			looks++
		}
		if time.Now().After(end) {
			t.Fatalf("sbcd has %d connections, the parties have %d", live, open)
		}
	}
}

// quiet checks that nobody has received anything that was not asked for. Each listener
// has one worker, so what came before the reply to an OPTIONS was all there is.
func (g *group) quiet(t testing.TB) {
	t.Helper()
	for _, name := range []string{"a", "x", "b", "c", "d", "a"} {
		p := g.parties[name]
		if !p.up {
			continue
		}
		p.mu.Lock()
		links := slices.Clone(p.links)
		p.mu.Unlock()
		if p.transport == "udp" {
			links = []*link{p.out}
		}
		for _, l := range links {
			if !p.isGone(l) {
				g.barrier(t, p, l)
			}
		}
	}
	for _, p := range g.parties {
		p.mu.Lock()
		for _, a := range p.inbox {
			if !p.seen[a.msg] {
				t.Errorf("%s also got\n%s", p.name, a.msg)
			}
		}
		p.mu.Unlock()
	}
}

func (g *group) barrier(t testing.TB, p *party, l *link) {
	t.Helper()
	g.count++
	id := fmt.Sprintf("barrier%d", g.count)
	f := g.faceOf(p)
	p.send(t, l, "OPTIONS sip:"+f.addr.String()+" SIP/2.0\r\n"+p.via(id)+"Max-Forwards: 70\r\nFrom: <sip:b@"+p.addr.String()+">;tag=b\r\nTo: <sip:"+
		f.addr.String()+">\r\nCall-ID: "+id+"\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
	for {
		a, ok := p.next()
		switch {
		case !ok:
			t.Fatalf("%s got no reply to OPTIONS", p.name)
		case status(a.msg) == 200 && header(a.msg, "call-id") == id:
			return
		case p.seen[a.msg]:
			p.dups++
		default:
			t.Errorf("%s also got\n%s", p.name, a.msg)
			p.seen[a.msg] = true
		}
	}
}

// volume are counters that go up with each message or with time; they are looked at
// where a script names them.
var volume = regexp.MustCompile(`^(received|requests|replies|forwarded_requests|forwarded_replies|local_replies|retransmissions_sent|probe_replies)$`)

// moved compares the counters with those before: want names what has gone up, as
// "calls answered failovers=2".
func moved(before, after figures, want string) error {
	expect := map[string]uint64{}
	for _, w := range strings.Fields(want) {
		name, n, ok := strings.Cut(w, "=")
		expect[name] = 1
		if ok {
			expect[name] = uint64(number(n))
		}
		if _, known := after.Counters[name]; !known {
			return fmt.Errorf("no counter is named %s", name)
		}
	}
	var wrong []string
	for name, n := range after.Counters {
		d := n - before.Counters[name]
		if w, named := expect[name]; d != w && (named || !volume.MatchString(name)) {
			wrong = append(wrong, fmt.Sprintf("%s went up by %d, want %d", name, d, w))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("%s", strings.Join(wrong, "\n"))
}

// state is a line of a script.
func (s *script) state(name, want string) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		is := ""
		for _, d := range s.g.proxy.figures(s.t).Destinations {
			if d.Name == name {
				is = d.State
			}
		}
		if is == want {
			return
		}
		if time.Now().After(end) {
			s.fail("%s is %s", name, is)
		}
	}
}

// counted is a line of a script.
func (s *script) counted(w []string) {
	s.t.Helper()
	n := uint64(1)
	if len(w) > 1 {
		n = uint64(number(w[1]))
	}
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		f := s.g.proxy.figures(s.t)
		if _, ok := f.Counters[w[0]]; !ok {
			s.fail("no counter is named %s", w[0])
		}
		d := f.Counters[w[0]] - s.before.Counters[w[0]]
		if d == n {
			return
		}
		if d > n || time.Now().After(end) {
			s.fail("%s went up by %d", w[0], d)
		}
	}
}
