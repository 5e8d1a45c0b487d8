package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// oneDestination is the spec with fs1 alone, and time for calls to ring.
var oneDestination = []string{`
  destination "fs2" {
    uri      = "sip:127.0.0.22:5060"
    listener = "core"
  }`, "", `invite_timeout = "3s"`, `invite_timeout = "2m"
  drain_timeout  = "10m"`}

// ring places a call that rings at the gateway and returns the channel that answers it.
func (g *gateway) ring(ctx context.Context, t *testing.T, from *sipgo.DialogClientCache) (*sipgo.DialogClientSession, chan<- int) {
	t.Helper()
	d, err := from.Invite(ctx, sip.Uri{Scheme: "sip", User: "bob", Host: "127.0.0.2", Port: 5060}, nil)
	if err != nil {
		t.Fatalf("INVITE: %v", err)
	}
	g.next(t, "INVITE")
	select {
	case answer := <-g.ringing:
		return d, answer
	case <-ctx.Done():
		t.Fatal("the call does not ring")
		return nil, nil
	}
}

// code is the code a call is refused with.
func code(ctx context.Context, d *sipgo.DialogClientSession) (int, error) {
	var no *sipgo.ErrDialogResponse
	if err := d.WaitAnswer(ctx, sipgo.AnswerOptions{}); !errors.As(err, &no) {
		return 0, fmt.Errorf("not refused: %w", err)
	}
	return no.Res.StatusCode, nil
}

// ask sends OPTIONS for the proxy itself until it has an answer, whose text it returns.
func ask(t *testing.T) string {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(callerIP)}}
	c, err := d.Dial("udp", carrier)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKask;rport\r\nMax-Forwards: 70\r\nFrom: <sip:monitor@example.net>;tag=1\r\n"+
		"To: <sip:%s>\r\nCall-ID: ask\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", carrier, c.LocalAddr(), carrier)
	buf := make([]byte, 65536)
	for range 60 {
		if _, err := c.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := c.Read(buf); err == nil {
			return string(buf[:n])
		}
	}
	t.Fatal("no answer to OPTIONS")
	return ""
}

// A proxy that gets SIGTERM finishes the calls that stand and those that ring: their BYE and
// their answer pass. A new call is refused, OPTIONS tells the peers, and with the last
// transaction the proxy ends, with exit code 0.
func TestDrain(t *testing.T) {
	proxy := startProxyOf(t, oneDestination...)
	gw := startRinging(t, "udp", fs1+":5060", nil, true)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	from := dialogs(t, "udp", nil)
	up := func(d *sipgo.DialogClientSession, answer chan<- int) {
		t.Helper()
		answer <- 200
		if err := d.WaitAnswer(ctx, sipgo.AnswerOptions{}); err != nil {
			t.Fatalf("answer: %v", err)
		}
		if err := d.Ack(ctx); err != nil {
			t.Fatalf("ACK: %v", err)
		}
		gw.next(t, "ACK")
	}
	down := func(d *sipgo.DialogClientSession) {
		t.Helper()
		if err := d.Bye(ctx); err != nil {
			t.Fatalf("BYE: %v", err)
		}
		gw.next(t, "BYE")
	}
	standing, answer := gw.ring(ctx, t, from)
	up(standing, answer)
	answered, answer := gw.ring(ctx, t, from)
	refused, refuse := gw.ring(ctx, t, from)
	if m := ask(t); !strings.HasPrefix(m, "SIP/2.0 200 ") {
		t.Errorf("OPTIONS before the drain got\n%s", m)
	}

	if err := proxy.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var st struct {
		Ready bool
		Drain *struct {
			Stopping   bool
			Unfinished int `json:"unfinished_transactions"`
			Calls      int
		}
	}
	for st.Drain == nil && ctx.Err() == nil {
		proxy.statusInto(&st)
	}
	if d := st.Drain; st.Ready || d == nil || !d.Stopping || d.Unfinished < 2 || d.Calls != 3 {
		t.Errorf("status during the drain: ready %v, %+v", st.Ready, st.Drain)
	}
	if m := ask(t); !strings.HasPrefix(m, "SIP/2.0 503 ") || !strings.Contains(m, "\r\nRetry-After: 5\r\n") {
		t.Errorf("OPTIONS during the drain got\n%s", m)
	}
	d, err := from.Invite(ctx, sip.Uri{Scheme: "sip", User: "bob", Host: "127.0.0.2", Port: 5060}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := code(ctx, d); n != 503 {
		t.Errorf("a new call got %d, %v, want 503", n, err)
	}

	down(standing)
	up(answered, answer)
	down(answered)
	refuse <- 486
	if n, err := code(ctx, refused); n != 486 {
		t.Errorf("the call that rang to the end got %d, %v, want 486", n, err)
	}
	done := make(chan error, 1)
	go func() { done <- proxy.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("sbcd ended with %v\n%s", err, proxy.out.String())
		}
	case <-ctx.Done():
		_ = proxy.cmd.Process.Kill()
		<-done
		t.Errorf("sbcd did not end after its last transaction\n%s", proxy.out.String())
	}
	if out := proxy.out.String(); !strings.Contains(out, "msg=drained calls=0") {
		t.Errorf("the log does not tell the end of the drain:\n%s", out)
	}
}
