package boot

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A mediaCaller makes calls of a test's own, over UDP, whose media is sent and looked at. SIPp
// answers them, and sends what media it gets back to where it came from (-rtp_echo).
type mediaCaller struct {
	t             *testing.T
	signal, media *net.UDPConn
	calls         int
	id, to        string // of the call at hand: Call-ID, To with its tag once there is one
	branches      int
}

// sendAgain is after how long a request without an answer is repeated: T1 of RFC 3261, whose
// doubling is left out.
const sendAgain = 500 * time.Millisecond

// listen opens a UDP socket of the namespace.
func (n *network) listen(at string) *net.UDPConn {
	n.t.Helper()
	var c *net.UDPConn
	var err error
	n.inside(func() { c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at))) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	return c
}

func (c *mediaCaller) request(method string, cseq int, description string) string {
	c.branches++
	at, body := c.signal.LocalAddr(), ""
	if description != "" {
		body = "Content-Type: application/sdp\r\n"
	}
	return fmt.Sprintf("%s sip:+4930123456@%s:5060 SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKmedia%d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:caller@%s>;tag=media\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:caller@%s>\r\n%sContent-Length: %d\r\n\r\n%s",
		method, listener, at, c.branches, at, c.to, c.id, cseq, method, at, body, len(description), description)
}

// answer sends a request until its final reply has come.
func (c *mediaCaller) answer(request string, cseq string) string {
	c.t.Helper()
	buf := make([]byte, 65536)
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		c.write(request)
		c.signal.SetReadDeadline(time.Now().Add(sendAgain))
		for {
			k, err := c.signal.Read(buf)
			if err != nil {
				break
			}
			if m := string(buf[:k]); !strings.HasPrefix(m, "SIP/2.0 1") && strings.Contains(m, "\r\nCSeq: "+cseq+"\r\n") && strings.Contains(m, c.id) {
				return m
			}
		}
	}
	c.t.Fatalf("no final reply to\n%s", request)
	return ""
}

var (
	mediaAddress = regexp.MustCompile(`(?m)^c=IN IP4 ([0-9.]+)\r$`)
	mediaPort    = regexp.MustCompile(`(?m)^m=audio ([0-9]+) `)
	taggedTo     = regexp.MustCompile(`(?m)^To: (.*)\r$`)
	recordRoute  = regexp.MustCompile(`(?m)^Record-Route: (.*)\r$`)
	contactURI   = regexp.MustCompile(`(?m)^Contact: <([^>]*)>`)
)

// newMediaCaller opens the sockets of a caller.
func (n *network) newMediaCaller() *mediaCaller {
	n.t.Helper()
	return &mediaCaller{t: n.t, signal: n.listen(carrier + ":5072"), media: n.listen(carrier + ":16000")}
}

// invite begins a call and returns its 200. A call that is refused for now (a machine that is
// kept from its work does that) is tried again: one that cannot be relayed always is.
func (c *mediaCaller) invite() string {
	c.t.Helper()
	last := ""
	for until := time.Now().Add(3 * time.Minute); time.Now().Before(until); {
		c.calls++
		c.id, c.to = fmt.Sprintf("media%d@%s", c.calls, carrier), "<sip:+4930123456@"+listener+">"
		invite := c.request("INVITE", 1, fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio 16000 RTP/AVP 8\r\n", carrier))
		last = c.answer(invite, "1 INVITE")
		if strings.HasPrefix(last, "SIP/2.0 200 ") {
			c.to = taggedTo.FindStringSubmatch(last)[1]
			return last
		}
		if !strings.HasPrefix(last, "SIP/2.0 503 ") {
			break
		}
		// The ACK of a refusal belongs to its INVITE, and has its branch (RFC 3261 section 17.1.1.3).
		c.to = taggedTo.FindStringSubmatch(last)[1]
		c.branches--
		c.write(c.request("ACK", 1, ""))
	}
	c.t.Fatalf("the call got\n%s", last)
	return ""
}

// call makes a call and sends media, which must go through a port of the appliance's address and
// come back from there; it returns that port.
func (c *mediaCaller) call(at netip.Addr) (port netip.AddrPort) {
	c.t.Helper()
	ok := c.invite()
	host, number := mediaAddress.FindStringSubmatch(ok), mediaPort.FindStringSubmatch(ok)
	if host == nil || number == nil {
		c.t.Fatalf("no media in\n%s", ok)
	}
	port, err := netip.ParseAddrPort(host[1] + ":" + number[1])
	if err != nil || port.Addr() != at {
		c.t.Fatalf("media is to go to %v (%v), want a port of %s:\n%s", port, err, at, ok)
	}
	// In the dialog: to the other side's address, by way of the appliance.
	within := func(method string, cseq int) string {
		head, rest, _ := strings.Cut(c.request(method, cseq, ""), "\r\n")
		head = strings.Replace(head, "sip:+4930123456@"+listener+":5060", contactURI.FindStringSubmatch(ok)[1], 1)
		for _, r := range recordRoute.FindAllStringSubmatch(ok, -1) {
			// One proxy's, in one line: from the callee, so that the caller's come last (RFC 3261 section 12.1.2).
			routes := strings.Split(r[1], ", ")
			slices.Reverse(routes)
			rest = "Route: " + strings.Join(routes, ", ") + "\r\n" + rest
		}
		return head + "\r\n" + rest
	}
	c.write(within("ACK", 1))
	c.echo(port)
	if bye := c.answer(within("BYE", 2), "2 BYE"); !strings.HasPrefix(bye, "SIP/2.0 200 ") {
		c.t.Errorf("the BYE got\n%s", bye)
	}
	return port
}

// write sends a message to the listener.
func (c *mediaCaller) write(message string) {
	c.t.Helper()
	if _, err := c.signal.WriteTo([]byte(message), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(listener+":5060"))); err != nil {
		c.t.Fatal(err)
	}
}

// echo sends packets of RTP to the relay until some have come back from there.
func (c *mediaCaller) echo(port netip.AddrPort) {
	c.t.Helper()
	const wanted = 20
	buf, back := make([]byte, 2048), 0
	for k := 0; back < wanted && k < 1000; k++ {
		p := append([]byte{0x80, 8, byte(k >> 8), byte(k), 0, 0, byte(k >> 8), byte(k), 1, 2, 3, 4}, bytes.Repeat([]byte{'x'}, 160)...)
		if _, err := c.media.WriteToUDPAddrPort(p, port); err != nil {
			c.t.Fatal(err)
		}
		c.media.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		for {
			n, from, err := c.media.ReadFromUDPAddrPort(buf)
			if err != nil {
				break
			}
			if from != port { // of a call before
				continue
			}
			if n != len(p) || !bytes.Equal(buf[12:n], p[12:]) {
				c.t.Fatalf("%d bytes came back, and not what was sent: % x", n, buf[:n])
			}
			if back++; back == wanted {
				return
			}
		}
	}
	c.t.Fatalf("%d packets of media came back", back)
}
