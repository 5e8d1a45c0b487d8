// Package mediatest runs an rtpengine of its own for a test: the daemon itself, on loopback,
// without its kernel module.
package mediatest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"trunkline/proxy/media"
)

// patience is how long the daemon may take to start and to answer.
const patience = 20 * time.Second

// Daemon is a running rtpengine.
type Daemon struct {
	Control netip.AddrPort
	t       testing.TB
	args    []string
	log     bytes.Buffer
	kill    func()
}

// ports are handed out so that two daemons of one test have none in common.
var ports struct {
	sync.Mutex
	next int
}

// Start runs a daemon until the test ends.
func Start(t testing.TB) *Daemon {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = c.Close()
	ports.Lock()
	first := 20000 + ports.next%5*2000
	ports.next++
	ports.Unlock()
	d := &Daemon{Control: at, t: t, args: []string{"--config-file=none", "--foreground", "--log-stderr", "--log-level=4", "--table=-1", "--interface=both/127.0.0.1", "--interface=both/::1",
		"--listen-ng=" + at.String(), "--num-threads=2", "--port-min=" + strconv.Itoa(first), "--port-max=" + strconv.Itoa(first+1999)}}
	d.Begin()
	return d
}

// StartFile runs a daemon until the test ends, as an appliance does that has one: all it is
// told is in a file. It takes commands at control.
func StartFile(t testing.TB, file string, control netip.AddrPort) *Daemon {
	t.Helper()
	d := &Daemon{Control: control, t: t, args: []string{"--config-file=" + file, "--foreground", "--log-stderr", "--no-log-timestamps"}}
	d.Begin()
	return d
}

// Begin runs the daemon again after Kill, at the same address.
func (d *Daemon) Begin() {
	d.t.Helper()
	cmd := exec.Command("rtpengine", d.args...)
	cmd.Stderr = &d.log
	if err := cmd.Start(); err != nil {
		d.t.Fatalf("rtpengine: %v (ci/setup test installs it)", err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	d.kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	d.t.Cleanup(d.kill)
	until := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		_, err := media.Ask(ctx, d.Control, "d7:command4:pinge")
		cancel()
		if err == nil {
			return
		}
		select {
		case <-done:
			d.t.Fatalf("rtpengine ended at once:\n%s", d.log.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(until) {
			d.t.Fatalf("rtpengine does not answer: %v", err)
		}
	}
}

// Kill ends the daemon as a crash would.
func (d *Daemon) Kill() { d.kill() }

// Sessions are those that the daemon holds.
func (d *Daemon) Sessions() []string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := media.Sessions(ctx, d.Control)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// Description is an offer of one audio stream at an address.
func Description(at netip.AddrPort, version int) string {
	return fmt.Sprintf("v=0\r\no=- 1 %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n", version, at.Addr(), at.Addr(), at.Port())
}
