package boot

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A mediaCall is one call of a test's own, over UDP, whose media is sent and looked at. SIPp
// answers it, and sends what media it gets back to where it came from (-rtp_echo).
type mediaCall struct {
	t        *testing.T
	signal   *net.UDPConn // connected to the listener
	media    *net.UDPConn
	id, to   string // of the call: Call-ID, To with its tag
	branches int
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

func (c *mediaCall) request(method string, cseq int, description string) string {
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
func (c *mediaCall) answer(request string, cseq string) string {
	c.t.Helper()
	buf := make([]byte, 65536)
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(listener + ":5060"))
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if _, err := c.signal.WriteTo([]byte(request), to); err != nil {
			c.t.Fatal(err)
		}
		c.signal.SetReadDeadline(time.Now().Add(sendAgain))
		for {
			k, err := c.signal.Read(buf)
			if err != nil {
				break
			}
			if m := string(buf[:k]); !strings.HasPrefix(m, "SIP/2.0 1") && strings.Contains(m, "\r\nCSeq: "+cseq+"\r\n") {
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

// relayed makes a call and sends media, which must go through a port of the appliance and come
// back from there; it returns that port.
func (n *network) relayed(at netip.Addr) (port netip.AddrPort) {
	n.t.Helper()
	c := &mediaCall{t: n.t, signal: n.listen(carrier + ":5072"), media: n.listen(carrier + ":16000"),
		id: "media@" + carrier, to: "<sip:+4930123456@" + listener + ">"}
	ok := c.answer(c.request("INVITE", 1, fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio 16000 RTP/AVP 8\r\n", carrier)), "1 INVITE")
	host, number := mediaAddress.FindStringSubmatch(ok), mediaPort.FindStringSubmatch(ok)
	if !strings.HasPrefix(ok, "SIP/2.0 200 ") || host == nil || number == nil {
		n.t.Fatalf("the call got\n%s", ok)
	}
	port, err := netip.ParseAddrPort(host[1] + ":" + number[1])
	if err != nil || port.Addr() != at {
		n.t.Fatalf("media is to go to %v (%v), want a port of %s:\n%s", port, err, at, ok)
	}
	c.to = taggedTo.FindStringSubmatch(ok)[1]
	// In the dialog: to the other side's address, by way of the appliance.
	within := func(method string, cseq int) string {
		head, rest, _ := strings.Cut(c.request(method, cseq, ""), "\r\n")
		head = strings.Replace(head, "sip:+4930123456@"+listener+":5060", contactURI.FindStringSubmatch(ok)[1], 1)
		for _, r := range recordRoute.FindAllStringSubmatch(ok, -1) { // of one proxy: their order counts from the caller
			rest = "Route: " + r[1] + "\r\n" + rest
		}
		return head + "\r\n" + rest
	}
	if _, err := c.signal.WriteTo([]byte(within("ACK", 1)), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(listener+":5060"))); err != nil {
		n.t.Fatal(err)
	}
	c.echo(port)
	if bye := c.answer(within("BYE", 2), "2 BYE"); !strings.HasPrefix(bye, "SIP/2.0 200 ") {
		n.t.Errorf("the BYE got\n%s", bye)
	}
	return port
}

// echo sends packets of RTP to the relay until some have come back from there.
func (c *mediaCall) echo(port netip.AddrPort) {
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
			if from != port || n != len(p) || !bytes.Equal(buf[12:n], p[12:]) {
				c.t.Fatalf("%d bytes from %s", n, from)
			}
			if back++; back == wanted {
				return
			}
		}
	}
	c.t.Fatalf("%d packets of media came back", back)
}
