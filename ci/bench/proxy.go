package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/tools/sipload/rig"
)

// Kinds of proxies.
const (
	kamailio = "kamailio"
	sbcd     = "sbcd"
	// With dialogs, limits, and a key for each call.
	kamailioSBC = kamailio + "-sbc"
	sbcdSBC     = sbcd + "-sbc"
	// sbcdStanding is sbcdSBC of the size that standingCalls need; the others are larger.
	sbcdStanding = sbcd + "-standing"
)

//go:embed kamailio/kamailio.cfg kamailio/routes.cfg
var files embed.FS

// receiveBuffer is what both proxies ask for, bytes.
const receiveBuffer = 4 << 20

// proxy is a running proxy.
type proxy struct {
	*rig.Process
	kind    string
	dir     string
	program string
}

// run starts a proxy on its core with a command line, in a directory.
func (b *bench) run(ctx context.Context, kind, dir string, args []string) (*proxy, error) {
	line := b.rig().Pinned(args...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	p, err := rig.Start(cmd, b.workers, (*exec.Cmd).Start)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return &proxy{Process: p, kind: kind, dir: dir, program: args[0]}, nil
}

// stop ends the proxy and waits for it.
func (p *proxy) stop() { p.Stop(10 * time.Second) }

// start runs a proxy on its core and waits until it answers OPTIONS.
func (b *bench) start(ctx context.Context, kind string) (*proxy, error) {
	dir, err := os.MkdirTemp(b.work, kind)
	if err != nil {
		return nil, err
	}
	var args []string
	switch kind {
	case kamailio, kamailioSBC:
		args, err = b.kamailio(dir, kind == kamailioSBC)
	case floor:
		var self string
		self, err = os.Executable()
		first, _, _ := strings.Cut(callees, ",")
		args = []string{self, floor, first}
	case sbcdSBC:
		args, err = b.sbcd(dir, b.sbc, "cps=5000")
	case sbcdStanding:
		args, err = b.sbcd(dir, b.sbc, fmt.Sprintf("cps=%d", standingRate))
	default:
		args, err = b.sbcd(dir, b.spec)
	}
	if err != nil {
		return nil, err
	}
	p, err := b.run(ctx, kind, dir, args)
	if err != nil {
		return nil, err
	}
	if err := p.ready(ctx); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w\n%s", kind, err, p.Output())
	}
	return p, nil
}

// kamailio writes a configuration and gives the command: it stays in the
// foreground, with its fast allocator.
func (b *bench) kamailio(dir string, sbc bool) ([]string, error) {
	modules, err := filepath.Glob("/usr/lib/*/kamailio/modules")
	if err != nil || len(modules) == 0 {
		return nil, errors.New("kamailio's modules are not installed: run ci/setup bench")
	}
	t, err := template.ParseFS(files, "kamailio/kamailio.cfg")
	if err != nil {
		return nil, err
	}
	var cfg bytes.Buffer
	host, _, _ := strings.Cut(target, ":")
	if err := t.Execute(&cfg, map[string]any{"Workers": b.workers, "Address": target, "Host": host, "Modules": modules[0] + "/", "Dir": dir, "SBC": sbc}); err != nil {
		return nil, err
	}
	var list strings.Builder
	for _, c := range strings.Split(callees, ",") {
		fmt.Fprintf(&list, "1 sip:%s\n", c)
	}
	for name, data := range map[string]string{"kamailio.cfg": cfg.String(), "dispatcher.list": list.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			return nil, err
		}
	}
	return []string{"kamailio", "-f", filepath.Join(dir, "kamailio.cfg"), "-DD", "-E", "-m", "4000", "-M", "16", "-x", "fm", "-X", "fm",
		"-b", strconv.Itoa(receiveBuffer), "-P", filepath.Join(dir, "pid"), "-Y", dir}, nil
}

// sbcd bakes a spec and gives the command. What differs from the plan is the
// receive buffer, which is the peer's.
func (b *bench) sbcd(dir, spec string, vars ...string) ([]string, error) {
	tree := filepath.Join(dir, "tree")
	bake := []string{"bake", spec, "-o", tree, "--var", fmt.Sprintf("workers=%d", b.workers)}
	for _, v := range vars {
		bake = append(bake, "--var", v)
	}
	if b.calibration != "" {
		bake = append(bake, "--calibration", b.calibration)
	}
	out, err := exec.Command(b.program("trunkline"), bake...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("trunkline bake: %w\n%s", err, out)
	}
	file := filepath.Join(tree, runtime.DefaultPath)
	a, err := runtime.Load(file)
	if err != nil {
		return nil, err
	}
	a.Listeners[0].RecvBuffer = receiveBuffer
	data, err := runtime.Encode(a)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return nil, err
	}
	return []string{b.program("sbcd"), "run", "--config", file, "--control", filepath.Join(dir, "control")}, nil
}

// ready waits for the proxy's own word.
func (p *proxy) ready(ctx context.Context) error {
	for range 200 {
		select {
		case <-p.Ended():
			return errors.New("ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		switch p.kind {
		case kamailio, kamailioSBC:
			if _, err := p.shared(); err == nil {
				return nil
			}
			continue
		case floor:
			if strings.Contains(p.Output(), floorReady) {
				return nil
			}
			continue
		}
		if _, err := os.Stat(filepath.Join(p.dir, "control")); err == nil && strings.Contains(p.Output(), "trunkline: ready") {
			return nil
		}
	}
	return errors.New("not ready within 10 s")
}

var realUsed = regexp.MustCompile(`real_used: (\d+)`)

// shared is what Kamailio has in use of its shared memory, bytes.
func (p *proxy) shared() (int64, error) {
	out, err := exec.Command("kamcmd", "-s", "unix:"+filepath.Join(p.dir, "ctl"), "core.shmmem").Output()
	if err != nil {
		return 0, err
	}
	m := realUsed.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("kamcmd core.shmmem says %q", out)
	}
	return strconv.ParseInt(string(m[1]), 10, 64)
}

// used is the memory that calls take: of Kamailio what is in use of its shared
// memory, of sbcd what of its process is in main memory.
func (p *proxy) used() (int64, error) {
	if p.kind == kamailio || p.kind == kamailioSBC {
		return p.shared()
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.Pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("smaps_rollup has no Pss")
}

// version is what a program says of itself, for the head of the table.
func version(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// encode renders what was measured.
func encode(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	return append(b, '\n'), err
}
