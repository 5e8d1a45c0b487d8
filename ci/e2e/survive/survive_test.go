package survive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/proxy/engine"
	"trunkline/proxy/handoff/manager"
)

const (
	target  = "127.92.0.2:5060"
	caller  = "127.92.0.10:5060"
	callees = "127.92.0.21:5060,127.92.0.22:5060"
	prober  = "127.92.0.30:0"

	rate     = 500 // calls a second
	kills    = 20
	long     = 30 * time.Second
	upgrades = 4 // SIGUSR2, with the same program: a process that goes on as another

	// patience is how long a test waits for what must come.
	patience = 60 * time.Second
)

// service is sbcd under a manager that keeps what it leaves.
type service struct {
	*testing.T
	m       *manager.Manager
	bin     string
	file    string
	control string
	cmd     *exec.Cmd
	ended   chan struct{}
	log     *record
	state   string // directory of what outlives a boot
}

// record is what all processes wrote.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func newService(t *testing.T) *service {
	t.Helper()
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if out, err := exec.Command(filepath.Join(bin, "trunkline"), "bake", "testdata/spec", "-o", tree).CombinedOutput(); err != nil {
		t.Fatalf("trunkline bake: %v\n%s", err, out)
	}
	m, err := manager.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{T: t, m: m, bin: bin, file: filepath.Join(tree, runtime.DefaultPath), control: filepath.Join(dir, "control"), log: &record{}, state: filepath.Join(dir, "state")}
	s.start()
	t.Cleanup(func() {
		if t.Failed() { // its goroutines say what it waits for
			_ = s.cmd.Process.Signal(syscall.SIGQUIT)
			select {
			case <-s.ended:
			case <-time.After(patience):
			}
		}
		s.kill()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("sbcd:\n%s", s.log)
		}
	})
	return s
}

// start starts the next process and waits until it is ready.
func (s *service) start() {
	s.Helper()
	before := s.m.Ready()
	s.cmd = s.m.Command(filepath.Join(s.bin, "sbcd"), "run", "--config", s.file, "--control", s.control)
	s.cmd.Stderr = s.log
	s.cmd.Env = append(s.cmd.Env, "STATE_DIRECTORY="+s.state)
	if err := s.m.Start(s.cmd); err != nil {
		s.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() { _ = cmd.Wait(); close(ended) }()
	s.ready(before)
}

// ready waits until the service said READY=1 more often than before.
func (s *service) ready(before int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if !s.m.Until(ctx, func() bool { return s.m.Ready() > before }) {
		s.Fatalf("sbcd is not ready:\n%s", s.log)
	}
}

func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// question is OPTIONS for sbcd, which waits in the socket when there is no process.
type question struct {
	conn net.Conn
	at   time.Time
}

func (s *service) ask(at time.Time) question {
	s.Helper()
	d := net.Dialer{}
	local, err := net.ResolveUDPAddr("udp4", prober)
	if err != nil {
		s.Fatal(err)
	}
	d.LocalAddr = local
	c, err := d.Dial("udp4", target)
	if err != nil {
		s.Fatal(err)
	}
	from := c.LocalAddr()
	if _, err := fmt.Fprintf(c, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:probe@%s>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: %d@%s\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		target, from, at.UnixNano(), from, target, at.UnixNano(), from); err != nil {
		s.Fatal(err)
	}
	return question{c, at}
}

// answered waits for the answer and says how long ago the question was.
func (s *service) answered(q question) time.Duration {
	s.Helper()
	defer q.conn.Close()
	_ = q.conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2000)
	n, err := q.conn.Read(b)
	if err != nil || !strings.HasPrefix(string(b[:n]), "SIP/2.0 200") {
		s.Fatalf("OPTIONS is answered with %.40q, %v", b[:n], err)
	}
	return time.Since(q.at)
}

func (s *service) stats() engine.Stats {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	b, err := control.Get(ctx, s.control, control.StatusPath)
	if err != nil {
		s.Fatal(err)
	}
	var st struct{ Engine engine.Stats }
	if err := json.Unmarshal(b, &st); err != nil {
		s.Fatal(err)
	}
	return st.Engine
}

// document is what of sipload's result is looked at.
type document struct {
	Run struct {
		Problems []string `json:"problems"`
		Caller   struct {
			Started         uint64            `json:"started"`
			NotStarted      uint64            `json:"not_started"`
			Completed       uint64            `json:"completed"`
			Failed          uint64            `json:"failed"`
			FailedByCode    map[string]uint64 `json:"failed_by_code"`
			Timeouts        map[string]uint64 `json:"timeouts"`
			Retransmissions map[string]uint64 `json:"retransmissions"`
		} `json:"uac"`
		Callee struct {
			Completed   uint64 `json:"completed"`
			Abandoned   uint64 `json:"abandoned"`
			AckTimeouts uint64 `json:"ack_timeouts"`
			NoSlot      uint64 `json:"no_slot"`
		} `json:"uas"`
	} `json:"run"`
}

// Calls of a second's ringing and four more are placed 500 times a second, while sbcd is killed
// twenty times and told to execute itself four times. All of them succeed, and each has one call record.
func TestKillsUnderLoad(t *testing.T) {
	s := newService(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)

	var out, errs bytes.Buffer
	load := exec.Command(filepath.Join(s.bin, "sipload"), "--target", target, "--uac", caller, "--uas", callees, "--json", "-",
		"--rate", fmt.Sprint(rate), "--ring", "1s", "--hold", "4s", "--duration", long.String())
	load.Stdout, load.Stderr = &out, &errs
	load.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- load.Wait() }()
	// The first calls are answered before the first kill, and some end before the last.
	s.until("calls are answered", func(st engine.Stats) bool { return st.Counters["answered"] > rate/2 })

	ends := slices.Concat(slices.Repeat([]syscall.Signal{syscall.SIGKILL}, kills), slices.Repeat([]syscall.Signal{syscall.SIGUSR2}, upgrades))
	random.Shuffle(len(ends), func(i, j int) { ends[i], ends[j] = ends[j], ends[i] })
	var gaps, handovers []time.Duration
	calls, loaded := 0, 0
	for _, end := range ends {
		time.Sleep(time.Duration(random.Int64N(int64(long) / (kills + upgrades)))) // a random moment, not one to wait for
		switch end {
		case syscall.SIGKILL:
			calls = max(calls, int(s.stats().Calls.Live))
			at := time.Now()
			s.kill()
			dead := time.Since(at)
			q := s.ask(at)
			s.start()
			ready := time.Since(at)
			gap := s.answered(q)
			if gaps = append(gaps, gap); gap > time.Second {
				t.Logf("kill %d: dead after %s, ready after %s, first message handled after %s", len(gaps), dead, ready, gap)
			}
		case syscall.SIGUSR2:
			before := s.m.Ready()
			at := time.Now()
			if err := s.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			s.ready(before)
			handovers = append(handovers, time.Since(at))
		}
		if len(done) == 0 {
			loaded++
		}
	}
	var exit *exec.ExitError
	if err := <-done; err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatalf("sipload: %v\n%s", err, errs.String())
	}
	c := d.Run.Caller
	t.Logf("%d calls, up to %d at a time; sent again: %v; %d of %d ends of a process while calls were placed", c.Started, calls, c.Retransmissions, loaded, len(ends))
	t.Logf("from kill to first message handled: %s", figures(gaps))
	t.Logf("from SIGUSR2 to READY=1, the checks of the program included: %s", figures(handovers))
	if c.Failed != 0 || c.NotStarted != 0 || c.Started == 0 || c.Completed != c.Started {
		t.Errorf("of %d calls %d failed: %v, timeouts %v; %d were not started; %d completed", c.Started, c.Failed, c.FailedByCode, c.Timeouts, c.NotStarted, c.Completed)
	}
	if e := d.Run.Callee; e.Abandoned != 0 || e.AckTimeouts != 0 || e.NoSlot != 0 || e.Completed != c.Started {
		t.Errorf("of the callees: %+v", e)
	}
	if t.Failed() {
		t.Logf("sipload: %s", strings.Join(d.Run.Problems, "; "))
	}

	st := s.until("nothing is held", func(st engine.Stats) bool { return len(held(st)) == 0 })
	if st.Recovered == nil || st.Recovered.Generation != kills+upgrades || st.Recovered.Dropped != 0 {
		t.Errorf("of the processes before: %+v", st.Recovered)
	}
	s.until("records are written", func(st engine.Stats) bool { return st.Records.Waiting == 0 })
	lines, of, causes := s.records()
	t.Logf("%d call records of %d calls: %v", lines, of, causes)
	// A call whose INVITE a kill met before it was forwarded has a record, and so has the one its repetition makes.
	if n, broken := int(c.Started), causes["broken"]; of != n || lines-n > broken || causes["bye"] < n-broken {
		t.Errorf("%d records of %d calls, there were %d: %v", lines, of, n, causes)
	}
	for _, l := range st.Listeners {
		if l.Inherited != l.Workers {
			t.Errorf("listener %s: %d of %d sockets are those of the first process", l.Name, l.Inherited, l.Workers)
		}
		for _, k := range l.Sockets {
			if k.Drops != 0 {
				t.Errorf("listener %s: %d packets found no room in a socket", l.Name, k.Drops)
			}
		}
	}
	if names := s.m.Names(); len(names) != 1+st.Listeners[0].Workers || !slices.Contains(names, "arena") {
		t.Errorf("the manager keeps %v", names)
	}
}

// until waits for figures that ok accepts.
func (s *service) until(what string, ok func(engine.Stats) bool) engine.Stats {
	s.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		st := s.stats()
		if ok(st) {
			return st
		}
		if time.Now().After(end) {
			s.Fatalf("never: %s; held: %v", what, held(st))
		}
	}
}

// held is what calls and messages hold, by name, without what is zero.
func held(st engine.Stats) []string {
	var out []string
	add := func(n int64, what string) {
		if n != 0 {
			out = append(out, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(st.Calls.Live, "calls")
	add(st.Transactions.Live, "transactions")
	add(st.Transactions.Bytes, "bytes of messages")
	add(st.Concurrent.Live, "calls under the concurrency limit")
	for _, d := range st.Destinations {
		add(d.Calls, "places at "+d.Name)
	}
	return out
}

// figures are the least, the middle and the longest of some times.
func figures(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	s := slices.Sorted(slices.Values(all))
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("%d times, least %.1f ms, median %.1f ms, longest %.1f ms", len(s), ms(s[0]), ms(s[len(s)/2]), ms(s[len(s)-1]))
}
