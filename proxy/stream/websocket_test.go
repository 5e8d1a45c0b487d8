package stream

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"trunkline/appliance/runtime"
)

// browser connects as a SIP WebSocket client does.
func (r *rig) browser(scheme string) net.Conn {
	r.Helper()
	d := ws.Dialer{Protocols: []string{"foo", "sip"}, Timeout: patience, TLSConfig: &tls.Config{RootCAs: ca().pool(), ServerName: "sbc.example"}}
	c, br, hs, err := d.Dial(context.Background(), scheme+"://"+r.Address().String()+"/ws?x=1")
	if err != nil {
		r.Fatal(err)
	}
	if br != nil || hs.Protocol != "sip" {
		r.Errorf("agreed on %q", hs.Protocol)
	}
	r.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func TestWebSocketEcho(t *testing.T) {
	for _, transport := range []string{"ws", "wss"} {
		l := config(transport)
		l.TLS = secureConfig("wss").TLS
		r := start(t, l, Options{}, echo)
		c := r.browser(transport)
		for i, m := range []string{options(1, 0), options(2, 100), options(3, 19000), "\xff\xfe not text"} {
			want := ws.OpText
			if i == 3 {
				want = ws.OpBinary
			}
			if err := wsutil.WriteClientMessage(c, want, []byte(m)); err != nil {
				t.Fatal(err)
			}
			got, op, err := wsutil.ReadServerData(c)
			if err != nil || string(got) != m || op != want {
				t.Fatalf("%s: got %d bytes as %v, %v", transport, len(got), op, err)
			}
		}
		if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewPingFrame([]byte("are you there")))); err != nil {
			t.Fatal(err)
		}
		if f, err := ws.ReadFrame(c); err != nil || f.Header.OpCode != ws.OpPong || string(f.Payload) != "are you there" {
			t.Errorf("pong: %+v, %v", f, err)
		}
		// The group says why it goes.
		_ = r.Close()
		f, err := ws.ReadFrame(c)
		if err != nil || f.Header.OpCode != ws.OpClose {
			t.Fatalf("close: %+v, %v", f, err)
		}
		if code, _ := ws.ParseCloseFrameData(f.Payload); code != ws.StatusGoingAway {
			t.Errorf("closed with %d", code)
		}
	}
}

func TestWebSocketClosesWithAStatus(t *testing.T) {
	for name, c := range map[string]struct {
		sent string
		code ws.StatusCode
	}{
		"too long":   {frame(ws.OpText, true, strings.Repeat("m", 20001)), ws.StatusMessageTooBig},
		"not masked": {string(ws.MustCompileFrame(ws.NewTextFrame([]byte("x")))), ws.StatusProtocolError},
		"close":      {frame(ws.OpClose, true, "\x03\xe8"), ws.StatusNormalClosure},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, config("ws"), Options{}, nil)
			conn := r.browser("ws")
			_, _ = io.WriteString(conn, c.sent)
			f, err := ws.ReadFrame(conn)
			if err != nil || f.Header.OpCode != ws.OpClose {
				t.Fatalf("%+v, %v", f, err)
			}
			if code, _ := ws.ParseCloseFrameData(f.Payload); code != c.code {
				t.Errorf("closed with %d, want %d", code, c.code)
			}
			at := local(conn)
			ended(t, conn)
			r.eventually("the end", func() bool { return r.Stats().Connections <= 1 })
			_ = conn.Close()
			r.eventually("the end", func() bool { return r.Stats().Connections == 0 })
			if err := r.Send([]byte("x"), at); err != ErrNoConnection {
				t.Errorf("Send to a client that left: %v", err)
			}
		})
	}
}

func TestWebSocketRefusals(t *testing.T) {
	const good = "GET /sip HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
	r := start(t, config("ws"), Options{Path: "/sip"}, nil)
	for _, c := range []struct {
		name, from, to string
		status         int
	}{
		{"good", "", "", http.StatusSwitchingProtocols},
		{"path", "/sip", "/other", http.StatusNotFound},
		{"subprotocol", "Protocol: sip", "Protocol: chat", http.StatusBadRequest},
		{"no subprotocol", "Sec-WebSocket-Protocol: sip\r\n", "", http.StatusBadRequest},
		{"version", "Version: 13", "Version: 8", http.StatusUpgradeRequired},
		{"method", "GET", "POST", http.StatusMethodNotAllowed},
		{"no key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", "", http.StatusBadRequest},
		{"not WebSocket", "Upgrade: websocket\r\n", "", http.StatusBadRequest},
		{"endless header", "Host: h", "Host: h" + strings.Repeat("\r\nX: "+strings.Repeat("x", 1000), 20), 0},
		{"not HTTP", good, options(1, 0), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := r.peer("127.0.50.2")
			_, _ = io.WriteString(conn, strings.Replace(good, c.from, c.to, 1))
			if c.status == 0 {
				ended(t, conn)
				return
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != c.status {
				t.Errorf("status %d, want %d", res.StatusCode, c.status)
			}
		})
	}
	r.eventually("the failed handshakes", func() bool { st := r.Stats(); return st.Handshakes == 9 && st.Handshaking == 0 })
}

// A client that answers pings stays; one that is silent is pinged, told and gone.
func TestWebSocketIsPinged(t *testing.T) {
	l := config("ws")
	l.Connections.Idle = runtime.Duration(4 * time.Second) // two to answer in
	r := start(t, l, Options{}, nil)
	silent, alive := r.browser("ws"), r.browser("ws")
	read := func(c net.Conn, op ws.OpCode) {
		t.Helper()
		f, err := ws.ReadFrame(c)
		if err != nil || f.Header.OpCode != op {
			t.Fatalf("got %+v, %v; want %v", f.Header, err, op)
		}
	}
	read(alive, ws.OpPing)
	if err := ws.WriteFrame(alive, ws.MaskFrame(ws.NewPongFrame(nil))); err != nil {
		t.Fatal(err)
	}
	read(silent, ws.OpPing)
	read(silent, ws.OpClose)
	read(alive, ws.OpPing)
	r.figures(func(st Stats) bool { return st.Idle == 1 && st.Pings == 1 })
}
