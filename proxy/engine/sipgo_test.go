package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"trunkline/appliance/runtime"
)

// acks tells when the ACK of a call was handled.
type acks struct{ m, first sync.Map }

// take reports whether it is the first of a call: each repeated 200 has one.
func (a *acks) take(callID string) bool {
	_, before := a.first.LoadOrStore(callID, true)
	return !before
}

func (a *acks) of(callID string) chan struct{} {
	c, _ := a.m.LoadOrStore(callID, make(chan struct{}))
	return c.(chan struct{})
}

// sipgoUAS serves calls with sipgo's dialogs, answering each.
func sipgoUAS(t *testing.T, ip string, seen *acks) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	answerCalls(t, ip, addr.Port(), nil, seen, func(srv *sipgo.Server) { _ = srv.ServeUDP(conn) }, conn) // ends with the socket
	return addr
}

// streamUAS is sipgoUAS over TCP or TLS.
func streamUAS(t *testing.T, transport, ip string, c *tls.Config, seen *acks) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	serve := func(srv *sipgo.Server) { _ = srv.ServeTCP(l) }
	if transport == "tls" {
		serve = func(srv *sipgo.Server) { _ = srv.ServeTLS(tls.NewListener(l, c)) }
	}
	answerCalls(t, ip, addr.Port(), c, seen, serve, l)
	return addr
}

// answerCalls serves calls by sipgo until the test ends.
func answerCalls(t *testing.T, ip string, port uint16, c *tls.Config, seen *acks, serve func(*sipgo.Server), socket io.Closer) {
	t.Helper()
	ua, err := sipgo.NewUA(sipgo.WithUserAgenTLSConfig(c))
	if err != nil {
		t.Fatal(err)
	}
	srv, err := sipgo.NewServer(ua, sipgo.WithServerLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	cli, err := sipgo.NewClient(ua)
	if err != nil {
		t.Fatal(err)
	}
	dialogs := sipgo.NewDialogServerCache(cli, sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "bob", Host: ip, Port: int(port)}})
	srv.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) {
		d, err := dialogs.ReadInvite(req, tx)
		if err != nil {
			t.Errorf("INVITE: %v", err)
			return
		}
		if req.Recipient.User == "busy" {
			_ = d.Respond(sip.StatusBusyHere, "Busy Here", nil)
			return
		}
		for _, r := range []struct {
			code   int
			reason string
		}{{180, "Ringing"}, {200, "OK"}} {
			if err := d.Respond(r.code, r.reason, nil); err != nil {
				t.Errorf("%d: %v", r.code, err)
			}
		}
	})
	srv.OnAck(func(req *sip.Request, tx sip.ServerTransaction) {
		if !seen.take(req.CallID().Value()) {
			return
		}
		if err := dialogs.ReadAck(req, tx); err != nil {
			t.Errorf("ACK: %v", err)
		}
		close(seen.of(req.CallID().Value()))
	})
	srv.OnBye(func(req *sip.Request, tx sip.ServerTransaction) {
		if err := dialogs.ReadBye(req, tx); err != nil {
			t.Errorf("BYE: %v", err)
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(srv)
	}()
	t.Cleanup(func() {
		ua.Close()
		socket.Close()
		<-done
	})
}

// Another stack at both ends finds its calls answered and ended, several at a time.
func TestSipgoAgents(t *testing.T) {
	t.Parallel()
	var seen acks
	r := newRig(t, 1, func(a *runtime.Appliance) {
		addr := sipgoUAS(t, "127.0.21.9", &seen)
		a.Dispatchers[0].Destinations[0].Address = addr
		a.Transaction.ReplyTimeout = duration(3 * time.Second)
		a.Transaction.InviteTimeout = duration(10 * time.Second)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	const callers, each = 4, 10
	var wg sync.WaitGroup
	for range callers {
		port := freePort(t, "127.0.11.9")
		wg.Go(func() {
			ua, err := sipgo.NewUA()
			if err != nil {
				t.Error(err)
				return
			}
			defer ua.Close()
			cli, err := sipgo.NewClient(ua, sipgo.WithClientConnectionAddr(port.String()), sipgo.WithClientLogger(slog.New(slog.DiscardHandler)))
			if err != nil {
				t.Error(err)
				return
			}
			dialogs := sipgo.NewDialogClientCache(cli, sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "alice", Host: port.Addr().String(), Port: int(port.Port())}})
			for i := range each {
				to := sip.Uri{Scheme: "sip", User: "bob", Host: r.out.Addr().String(), Port: int(r.out.Port())}
				busy := i%5 == 4
				if busy {
					to.User = "busy"
				}
				d, err := dialogs.Invite(ctx, to, []byte(sdp))
				if err != nil {
					t.Errorf("INVITE: %v", err)
					return
				}
				err = d.WaitAnswer(ctx, sipgo.AnswerOptions{})
				if busy {
					var refused *sipgo.ErrDialogResponse
					if !errors.As(err, &refused) || refused.Res.StatusCode != 486 {
						t.Errorf("a busy callee gave %v", err)
					}
					d.Close()
					continue
				}
				if err != nil {
					t.Errorf("answer: %v", err)
					return
				}
				if err := d.Ack(ctx); err != nil {
					t.Errorf("ACK: %v", err)
				}
				// sipgo handles each message on a goroutine of its own: a BYE sent at
				// once may end the dialog before its ACK is looked at.
				select {
				case <-seen.of(d.InviteRequest.CallID().Value()):
				case <-ctx.Done():
					t.Error("the callee got no ACK")
					return
				}
				if err := d.Bye(ctx); err != nil {
					t.Errorf("BYE: %v", err)
				}
				d.Close()
			}
		})
	}
	wg.Wait()
	r.settle(0)
	if st := r.e.Stats(); st.Calls.Ended["bye"] != callers*each*4/5 || st.Calls.Ended["rejected"] != callers*each/5 {
		t.Errorf("calls ended: %v, counters %v", st.Calls.Ended, nonZero(st.Counters))
	}
}
