package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// running is a VM with a console but without QEMU.
func running() *VM {
	return &VM{
		console: newConsole(nil), qmp: &qmp{stopped: make(chan struct{})}, stderr: &tailBuffer{},
		started: time.Now(), done: make(chan struct{}),
	}
}

func TestReadyLine(t *testing.T) {
	for _, tt := range []struct {
		line string
		want ReadyInfo
	}{
		{"trunkline: ready name=edge-fra1 listeners=2 uptime=12.34s", ReadyInfo{Name: "edge-fra1", Listeners: 2, Uptime: 12340 * time.Millisecond}},
		{"[   12.3] sbcd[213]: trunkline: ready name=a listeners=10 uptime=7s", ReadyInfo{Name: "a", Listeners: 10, Uptime: 7 * time.Second}},
		{"trunkline: ready name=a listeners=1 uptime=7.00s image=sha256:" + strings.Repeat("0f", 32), ReadyInfo{Name: "a", Listeners: 1, Uptime: 7 * time.Second, Image: "sha256:" + strings.Repeat("0f", 32)}},
		{"trunkline: ready name=a listeners=1 uptime=7.00s image=sha256:" + strings.Repeat("0f", 32) + " memory=2048KiB", ReadyInfo{Name: "a", Listeners: 1, Uptime: 7 * time.Second, Image: "sha256:" + strings.Repeat("0f", 32), Memory: 2 << 20}},
	} {
		got, err := parseReady(tt.line)
		if err != nil || got != tt.want {
			t.Errorf("%q: %+v, %v", tt.line, got, err)
		}
	}
	for _, line := range []string{"", "trunkline: ready", "trunkline: ready name=a listeners=x uptime=1s", "trunkline: ready name=a listeners=1 uptime=1"} {
		if got, err := parseReady(line); err == nil {
			t.Errorf("%q was taken as %+v", line, got)
		}
	}
}

func TestReadyFindsTheLineAmongNoise(t *testing.T) {
	m := running()
	go func() {
		for _, part := range []string{"\x1b[2J\x1b[01;01HBdsDxe: loading\r\n", "[ 0.1] Linux\n\x1b[0;32mtrunkline: rea", "dy name=e listeners=1 uptime=3.5s\x1b[0m\r\n", "more\n"} {
			_, _ = m.console.Write([]byte(part))
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	info, err := m.Ready(ctx)
	if err != nil || info.Name != "e" || info.Uptime != 3500*time.Millisecond || info.Wall <= 0 {
		t.Errorf("%+v, %v", info, err)
	}
	// A line that has passed is found again.
	if line, err := m.WaitLine(ctx, regexp.MustCompile("^BdsDxe")); err != nil || line != "BdsDxe: loading" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestReadyFailsEarly(t *testing.T) {
	boom := errors.New("QEMU: exit status 1: no such machine")
	for _, tt := range []struct {
		name string
		do   func(*VM)
		want []string
		is   error
	}{
		{"refused", func(m *VM) {
			fmt.Fprint(m.console, "starting\n[ 4.2] trunkline: refused: cache carriers: no such file\nmore\n")
		}, []string{"boot failed: trunkline: refused: cache carriers: no such file", "starting\n"}, nil},
		{"init", func(m *VM) { fmt.Fprint(m.console, "trunkline: init failed: mount: no loop\n") }, []string{"init failed: mount: no loop"}, nil},
		{"panic", func(m *VM) {
			fmt.Fprint(m.console, "[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\n")
		}, []string{"Kernel panic", "Unable to mount root"}, nil},
		{"exit", func(m *VM) {
			fmt.Fprint(m.console, "partial")
			m.err = boom
			m.console.close()
			close(m.done)
		}, []string{"the virtual machine ended", "no such machine", "partial"}, boom},
		{"internal error", func(m *VM) { close(m.qmp.stopped) }, []string{"internal error"}, errStopped},
		{"time", func(*VM) {}, []string{"deadline exceeded"}, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := running()
			wait := time.Minute
			if tt.is == context.DeadlineExceeded {
				wait = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			defer cancel()
			go tt.do(m)
			_, err := m.Ready(ctx)
			var boot *BootError
			if !errors.As(err, &boot) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Fatalf("error %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestConsoleIsBounded(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out)
	for i := range maxLines + 10 {
		fmt.Fprintf(c, "line %d\r\n", i)
	}
	if len(c.lines) != maxLines || c.lines[0] != "line 10" {
		t.Errorf("%d lines from %q", len(c.lines), c.lines[0])
	}
	if got := c.tail(2); got != fmt.Sprintf("line %d\nline %d", maxLines+8, maxLines+9) {
		t.Errorf("tail %q", got)
	}
	if !strings.HasPrefix(out.String(), "line 0\r\n") {
		t.Error("the console is not passed on as it came")
	}
	_, _ = c.Write(bytes.Repeat([]byte("x"), 3*tailBytes)) // no newline ever
	if len(c.partial) > tailBytes {
		t.Errorf("%d bytes wait for a newline", len(c.partial))
	}
}

// What failed may have been said long before the end: our programs' lines stay.
func TestTailKeepsOurLines(t *testing.T) {
	m := running()
	fmt.Fprint(m.console, "[ 1.0] trunkline: credential key cannot be opened\nnoise\n")
	for n := range 40 {
		fmt.Fprintf(m.console, "line %d\n", n)
	}
	fmt.Fprint(m.console, "[ 9.0] trunkline: refused\n")
	if got, want := m.console.tail(2), "[ 1.0] trunkline: credential key cannot be opened\nline 39\n[ 9.0] trunkline: refused"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
