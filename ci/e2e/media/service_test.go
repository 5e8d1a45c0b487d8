package media

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/proxy/engine"
	"trunkline/proxy/handoff/manager"
)

const patience = 60 * time.Second

var target = netip.MustParseAddrPort("127.93.0.2:5060")

// service is sbcd under a manager that keeps what it leaves.
type service struct {
	*testing.T
	m         *manager.Manager
	bin, file string
	control   string
	cmd       *exec.Cmd
	ended     chan struct{}
	log       output
}

// output is what all processes wrote.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func newService(t *testing.T, instances ...netip.AddrPort) *service {
	t.Helper()
	bin, tree := baked(t, "testdata/spec")
	return serve(t, bin, tree, instances)
}

// baked bakes a spec, and says where the programs and the files are.
func baked(t *testing.T, spec string) (bin, tree string) {
	t.Helper()
	bin = os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	tree = filepath.Join(t.TempDir(), "tree")
	if out, err := exec.Command(filepath.Join(bin, "trunkline"), "bake", spec, "-o", tree).CombinedOutput(); err != nil {
		t.Fatalf("trunkline bake: %v\n%s", err, out)
	}
	return bin, tree
}

// serve starts sbcd with the files of a tree. Without instances it has those of the spec.
func serve(t *testing.T, bin, tree string, instances []netip.AddrPort) *service {
	t.Helper()
	dir, file := t.TempDir(), filepath.Join(tree, runtime.DefaultPath)
	edit(t, file, instances)
	m, err := manager.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{T: t, m: m, bin: bin, file: file, control: filepath.Join(dir, "control")}
	s.start()
	t.Cleanup(func() {
		s.kill()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("sbcd:\n%s", s.log.b.String())
		}
	})
	return s
}

// edit has a configuration go through instances on this machine, and give calls up soon.
func edit(t *testing.T, file string, instances []netip.AddrPort) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var a runtime.Appliance
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	if len(instances) > 0 {
		a.Media = &runtime.Media{Timeout: runtime.Duration(500 * time.Millisecond), OnFail: "next"}
	}
	for i, at := range instances {
		a.Media.Instances = append(a.Media.Instances, runtime.MediaInstance{Name: string(rune('a' + i)), Control: []netip.AddrPort{at}, Weight: 1})
	}
	tr := &a.Transaction
	tr.T1, tr.T2 = runtime.Duration(75*time.Millisecond), runtime.Duration(400*time.Millisecond)
	tr.ReplyTimeout, tr.InviteTimeout = runtime.Duration(time.Second), runtime.Duration(2500*time.Millisecond)
	tr.Wait, tr.CallLifetime = runtime.Duration(time.Second), runtime.Duration(6*time.Second)
	if b, err = json.Marshal(a); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts the next process and waits until it is ready.
func (s *service) start() {
	s.Helper()
	before := s.m.Ready()
	s.cmd = s.m.Command(filepath.Join(s.bin, "sbcd"), "run", "--config", s.file, "--control", s.control)
	s.cmd.Stderr = &s.log
	if err := s.m.Start(s.cmd); err != nil {
		s.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() { _ = cmd.Wait(); close(ended) }()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if !s.m.Until(ctx, func() bool { return s.m.Ready() > before }) {
		s.Fatalf("sbcd is not ready:\n%s", s.log.b.String())
	}
}

func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

func (s *service) stats() engine.Stats {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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
