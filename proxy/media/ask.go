package media

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Ask sends one command (a bencoded dictionary) to a control socket and waits for its answer,
// beside all others. It is for operators and tests.
func Ask(ctx context.Context, control netip.AddrPort, command string) ([]byte, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", control.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	cookie := strconv.FormatUint(random(), 16)
	if _, err := conn.Write([]byte(cookie + " " + command)); err != nil {
		return nil, err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, fmt.Errorf("no answer from rtpengine at %s: %w", control, err)
		}
		if b, ok := trimCookie(buf[:n], cookie); ok {
			return b, nil
		}
	}
}

func trimCookie(b []byte, cookie string) ([]byte, bool) {
	n := len(cookie)
	if len(b) <= n || string(b[:n]) != cookie || b[n] != ' ' {
		return nil, false
	}
	return b[n+1:], true
}

// Sessions are the names of the sessions that an instance holds, ours and others'.
func Sessions(ctx context.Context, control netip.AddrPort) ([]string, error) {
	b, err := Ask(ctx, control, "d7:command4:list5:limiti100000ee")
	if err != nil {
		return nil, err
	}
	calls, ok := lookup(b, "calls")
	if !ok || len(calls) < 2 || calls[0] != 'l' {
		return nil, fmt.Errorf("rtpengine at %s does not tell its calls: %.200q", control, b)
	}
	var out []string
	for rest := calls[1:]; len(rest) > 0 && rest[0] != 'e'; {
		s, after, ok := text(rest)
		if !ok {
			return nil, fmt.Errorf("rtpengine at %s tells calls that cannot be read", control)
		}
		out, rest = append(out, string(s)), after
	}
	return out, nil
}

// Query is what an instance knows of a session, bencoded.
func Query(ctx context.Context, control netip.AddrPort, session string) ([]byte, error) {
	b := appendText([]byte("d7:call-id"), session)
	return Ask(ctx, control, string(append(b, "7:command5:querye"...)))
}
