package cmd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/spf13/cobra"

	"trunkline/appliance/runtime"
)

const (
	// checkEvery is how long one question waits for its answer: UDP may lose it.
	checkEvery = 2 * time.Second
	// maxAnswer bounds what is read of an answer, bytes.
	maxAnswer = 64 << 10
)

func (p *program) selfcheckCommand() *cobra.Command {
	within := 30 * time.Second
	c := &cobra.Command{
		Use:   "selfcheck",
		Short: "Ask every listener for an answer, over its own transport",
		Long: `Send an OPTIONS to every listener over its own transport, from the listener's own address, and
wait for 200. A listener that wants certificates of its clients has done its part with the TLS
handshake up to where it asks for one. The appliance runs it after sbcd has started: only
then is its boot complete, and a new image found good.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), within)
			defer cancel()
			for _, l := range cfg.Listeners {
				if err := checkListener(ctx, l); err != nil {
					return refuse(fmt.Errorf("self-check: listener %s (%s/%s) does not answer OPTIONS: %w", l.Name, l.Address, transportOf(l), err))
				}
			}
			_, err = fmt.Fprintf(p.Stdout, "trunkline: self-check passed: %d listeners answer\n", len(cfg.Listeners))
			return err
		},
	}
	p.configFlag(c)
	c.Flags().DurationVar(&within, "within", within, "how long all listeners may take")
	return c
}

func transportOf(l runtime.Listener) string {
	if l.Transport == "" {
		return "udp"
	}
	return l.Transport
}

// checkListener asks until there is an answer; its error is that of the last attempt.
func checkListener(ctx context.Context, l runtime.Listener) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, checkEvery)
		err := askListener(attempt, l)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(checkEvery / 10):
		}
	}
}

// askListener sends one OPTIONS and reads the answer.
func askListener(ctx context.Context, l runtime.Listener) error {
	own := l.Address.Addr().AsSlice()
	transport := transportOf(l)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: own}}
	network := "tcp"
	if transport == "udp" {
		d.LocalAddr, network = &net.UDPAddr{IP: own}, "udp"
	}
	conn, err := d.DialContext(ctx, network, l.Address.String())
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // an answer was read, or an error is told
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	local := conn.LocalAddr().String()
	if transport == "tls" || transport == "wss" {
		secured, asked, err := secure(ctx, conn)
		if err != nil || asked {
			return err
		}
		conn = secured
	}
	question := options(l.Address, local, transport)
	if transport == "ws" || transport == "wss" {
		return askWebSocket(conn, l, question)
	}
	if _, err := conn.Write(question); err != nil {
		return err
	}
	if transport == "udp" {
		b := make([]byte, maxAnswer)
		n, err := conn.Read(b)
		if err != nil {
			return err
		}
		return answered(b[:n])
	}
	line, err := bufio.NewReaderSize(conn, maxAnswer).ReadSlice('\n')
	if err != nil {
		return err
	}
	return answered(line)
}

// secure does the TLS handshake. Whose certificate it is does not matter here: clients
// judge that. asked: the listener wants a certificate of ours, which there is none of, and
// shows its own before it says so.
func secure(ctx context.Context, conn net.Conn) (secured net.Conn, asked bool, err error) {
	c := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the machine asks itself whether it answers
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		},
	})
	if err := c.HandshakeContext(ctx); err != nil && !asked {
		return nil, false, err
	}
	return c, asked, nil
}

func askWebSocket(conn net.Conn, l runtime.Listener, question []byte) error {
	d := ws.Dialer{Protocols: []string{"sip"}}
	if _, _, err := d.Upgrade(conn, &url.URL{Scheme: "ws", Host: l.Address.String(), Path: "/"}); err != nil {
		return err
	}
	if err := wsutil.WriteClientText(conn, question); err != nil {
		return err
	}
	b, _, err := wsutil.ReadServerData(conn)
	if err != nil {
		return err
	}
	return answered(b)
}

// options is an OPTIONS for the proxy itself (RFC 3261, 11.1).
func options(to netip.AddrPort, local, transport string) []byte {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	id := hex.EncodeToString(random[:])
	parameter := ""
	if transport != "udp" {
		parameter = ";transport=" + strings.TrimSuffix(transport, "s")
		if transport == "tls" {
			parameter = ";transport=tls"
		}
	}
	return fmt.Appendf(nil, "OPTIONS sip:%[1]s%[5]s SIP/2.0\r\nVia: SIP/2.0/%[4]s %[2]s;rport;branch=z9hG4bK%[3]s\r\nMax-Forwards: 0\r\n"+
		"From: <sip:selfcheck@%[2]s>;tag=%[3]s\r\nTo: <sip:%[1]s>\r\nCall-ID: %[3]s@selfcheck\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		to, local, id, strings.ToUpper(transport), parameter)
}

// answered judges the beginning of an answer.
func answered(b []byte) error {
	line, _, _ := bytes.Cut(b, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("SIP/2.0 ")) {
		return errors.New("what came back is no SIP reply")
	}
	if !bytes.HasPrefix(line, []byte("SIP/2.0 200")) {
		return fmt.Errorf("the answer is %q", bytes.TrimSpace(line))
	}
	return nil
}
