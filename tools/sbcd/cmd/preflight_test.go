package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/tools/sbcd/cmd"
)

// halfMachine is a /proc and /sys of two threads and 512 MiB, with one card.
func halfMachine(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"proc/meminfo":                    "MemTotal: 524288 kB",
		"sys/devices/system/cpu/online":   "0-1",
		"sys/class/net/wan/address":       "52:54:00:12:34:56",
		"sys/class/net/wan/device/vendor": "x",
		"creds/trunkline.mismatch":        "warn\n",
	} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// twice is planned for twice the threads and memory.
func twice(t *testing.T, mismatch string) *runtime.Appliance {
	a := config(t, runtime.Cache{Path: csvFile(t, "+49,one\n"), Warmup: runtime.WarmupSync})
	a.Hardware = runtime.Hardware{
		Threads: 4, Cores: 4, MemoryBytes: 1 << 30, Platform: "vm", Mismatch: mismatch,
		NICs:   []runtime.NIC{{Name: "wan", MAC: "52:54:00:12:34:56"}},
		Resize: &runtime.Resize{Datagrams: []float64{2, 6}, Other: 490 << 20, KernelShare: 0.015625, Slack: 0.25},
	}
	return a
}

func TestPreflight(t *testing.T) {
	root := halfMachine(t)
	for name, c := range map[string]struct {
		mismatch, credentials string
		code                  int
		stdout, stderr        []string
	}{
		"refuse": {runtime.MismatchRefuse, "", 1,
			[]string{"trunkline: preflight: 2 of 4 hardware threads are there. Give the machine 4, or write hardware.cpu for 2 and plan again\n", "trunkline: preflight: 512 MiB of memory are there"},
			[]string{"trunkline: refused: the machine is less than the spec says: 2 of 4 hardware threads are there."}},
		"unstated": {"", "", 1, nil, []string{"trunkline: refused: "}},
		"resize": {runtime.MismatchResize, "", 0,
			[]string{"trunkline: preflight: resized: 2 of 4 workers, room for ", " of 500 calls", "2 hardware threads, 512 MiB of memory, 1 cards, 0 disks\n"}, nil},
		"warn": {runtime.MismatchWarn, "", 0, []string{"trunkline: preflight: goes on as planned: 2 hardware threads"}, nil},
		"told": {runtime.MismatchRefuse, "creds", 0, []string{`goes on as planned: `, `(credential trunkline.mismatch; the spec says "refuse")`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			report := filepath.Join(t.TempDir(), "report.json")
			var out, errs bytes.Buffer
			env := map[string]string{}
			if c.credentials != "" {
				env["CREDENTIALS_DIRECTORY"] = filepath.Join(root, c.credentials)
			}
			code := cmd.Run(context.Background(), cmd.Streams{Stdout: &out, Stderr: &errs, Getenv: func(k string) string { return env[k] }},
				[]string{"preflight", "--config", write(t, twice(t, c.mismatch)), "--root", root, "--report", report, "--wait", "0s"})
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for got, want := range map[string][]string{out.String(): c.stdout, errs.String(): c.stderr} {
				for _, w := range want {
					if !strings.Contains(got, w) {
						t.Errorf("no %q in\n%s", w, got)
					}
				}
			}
			if _, err := os.Stat(report); err != nil {
				t.Errorf("nothing is left for the proxy: %v", err)
			}
		})
	}
	if err := os.WriteFile(filepath.Join(root, "creds/trunkline.mismatch"), []byte("perhaps"), 0o644); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	code := cmd.Run(context.Background(), cmd.Streams{Stdout: &bytes.Buffer{}, Stderr: &errs, Getenv: func(string) string { return filepath.Join(root, "creds") }},
		[]string{"preflight", "--config", write(t, twice(t, "")), "--root", root, "--report", filepath.Join(t.TempDir(), "r")})
	if code != 1 || !strings.Contains(errs.String(), "write refuse, resize, warn") {
		t.Errorf("a credential that says nothing known: %d, %s", code, errs.String())
	}
}

// A card that comes late is waited for.
func TestPreflightWaits(t *testing.T) {
	root := halfMachine(t)
	a := twice(t, runtime.MismatchWarn)
	a.Hardware.NICs = append(a.Hardware.NICs, runtime.NIC{Name: "late"})
	var out bytes.Buffer
	done := make(chan int, 1)
	path := write(t, a)
	report := filepath.Join(t.TempDir(), "r")
	go func() {
		done <- cmd.Run(context.Background(), cmd.Streams{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }},
			[]string{"preflight", "--config", path, "--root", root, "--report", report, "--wait", "10m"})
	}()
	if err := os.MkdirAll(filepath.Join(root, "sys/class/net/late/device"), 0o755); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-done:
		if code != 0 || strings.Contains(out.String(), "late") {
			t.Errorf("%d: %s", code, out.String())
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("it waits on although the card is there")
	}
}

// The proxy runs with what preflight left for it, and says so.
func TestResized(t *testing.T) {
	root := halfMachine(t)
	a := twice(t, runtime.MismatchResize)
	report := filepath.Join(t.TempDir(), "report.json")
	if _, errs, code := sbcd(t, "preflight", "--config", write(t, a), "--root", root, "--report", report, "--wait", "0s"); code != 0 {
		t.Fatal(errs)
	}
	p := start(t, a, "--preflight", report)
	p.ready()
	s := p.status()
	if s.Preflight == nil || s.Preflight.Outcome != "resized" || s.Engine == nil || s.Engine.Calls.Capacity >= a.State.Calls {
		t.Fatalf("status %+v", s)
	}
	for _, l := range s.Engine.Listeners {
		if len(l.Sockets) != 1 {
			t.Errorf("listener %s has %d sockets", l.Name, len(l.Sockets))
		}
	}
	out, _, _ := sbcd(t, "status", "--control", p.control)
	if want := "machine: resized: 2 of 4 workers"; !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
	if err := os.WriteFile(report, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := sbcd(t, "run", "--config", write(t, a), "--preflight", report); code != 1 || !strings.Contains(errs, "trunkline: refused: preflight") {
		t.Errorf("half a report: %d, %s", code, fmt.Sprint(errs))
	}
}
