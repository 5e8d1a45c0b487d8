package load

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"trunkline/tools/sipload/agent"
	"trunkline/tools/sipload/result"
)

// Kinds of garbage, sent in turn.
const (
	randomBytes = iota // nothing of SIP
	truncated          // an INVITE that breaks off
	damaged            // an INVITE with some bytes changed, one of its CSeq among them
	endless            // a header line that does not end
	keepAlive          // CRLF CRLF (RFC 5626 4.4.1)
	kinds
)

var kindNames = [kinds]string{"random", "truncated", "damaged", "endless", "keepalive"}

// DefaultSources is where garbage comes from.
var DefaultSources = netip.MustParsePrefix("127.66.0.0/16")

func (o *Options) checkGarbage() error {
	if o.Spread == 0 {
		o.Spread = 64
	}
	if !o.Sources.IsValid() {
		o.Sources = DefaultSources
		if o.Target.IsValid() && (o.Target.Addr().Is6() || !o.Target.Addr().IsLoopback()) {
			o.Sources, o.Spread = netip.PrefixFrom(o.Caller.Addr(), o.Caller.Addr().BitLen()), 1
		}
	}
	bits := o.Sources.Addr().BitLen() - o.Sources.Bits()
	switch {
	case !o.Target.IsValid():
		return fmt.Errorf("garbage has no target: write --target ADDRESS:PORT")
	case !permitted(o.Sources.Masked().Addr()) || o.Sources.Addr().Is4() && o.Sources.Bits() < 8:
		return fmt.Errorf("garbage from %s: the prefix must lie within loopback or private addresses, for example %s", o.Sources, DefaultSources)
	case o.Sources.Addr().Is4() != o.Target.Addr().Is4():
		return fmt.Errorf("garbage from %s cannot be sent to %s: one is IPv4, the other IPv6", o.Sources, o.Target)
	case o.Spread < 1 || o.Spread > MaxSockets || bits < 12 && o.Spread > 1<<bits:
		return fmt.Errorf("garbage from %d addresses of %s: at least 1 and at most %d are possible, and no more than the prefix has", o.Spread, o.Sources, MaxSockets)
	}
	return nil
}

// sources are addresses spread over the prefix, the first one left out where there
// is a choice.
func (o *Options) sources() []netip.AddrPort {
	p := o.Sources.Masked()
	host := p.Addr().BitLen() - p.Bits()
	stride := uint64(1)
	if host > 12 {
		stride = min(uint64(1)<<min(host, 32)/uint64(o.Spread+1), 251)
	}
	l := make([]netip.AddrPort, o.Spread)
	for i := range l {
		b := p.Addr().As16()
		n := uint64(i)
		if host > 12 {
			n = uint64(i+1) * stride
		}
		for j := 15; n > 0; j-- {
			n += uint64(b[j])
			b[j] = byte(n)
			n >>= 8
		}
		a := netip.AddrFrom16(b)
		if p.Addr().Is4() {
			a = a.Unmap()
		}
		l[i] = netip.AddrPortFrom(a, 0)
	}
	return l
}

// flood sends garbage: the same for the same seed.
type flood struct {
	net     agent.Network
	target  netip.AddrPort
	sockets int
	rand    *rand.Rand
	invite  []byte
	method  int // where the method of its CSeq ends
	buf     []byte
	sent    [kinds]uint64
	n       int
	replies agent.Codes
	other   uint64
}

func newFlood(o *Options, n agent.Network) *flood {
	invite := "INVITE sip:+4930@" + o.Target.String() + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.66.0.1:5060;branch=z9hG4bKflood;rport\r\n" +
		"Max-Forwards: 70\r\nFrom: \"Load\" <sip:load@127.66.0.1>;tag=1\r\nTo: <sip:+4930@" + o.Target.String() + ">\r\n" +
		"Call-ID: flood@127.66.0.1\r\nCSeq: 1 INVITE\r\nContact: <sip:load@127.66.0.1>\r\nContent-Type: application/sdp\r\nContent-Length: 24\r\n\r\n" +
		"v=0\r\no=- 1 1 IN IP4 ::\r\n"
	return &flood{
		net: n, target: o.Target, sockets: o.Spread, rand: rand.New(rand.NewPCG(o.Seed, 0x666c6f6f64)),
		invite: []byte(invite), method: strings.Index(invite, "CSeq: 1 INVITE") + len("CSeq: 1 INVIT"), buf: make([]byte, 0, 2048),
	}
}

// next sends one datagram.
func (f *flood) next() {
	kind, r := f.n%kinds, f.rand
	b := f.buf[:0]
	switch kind {
	case randomBytes:
		for range 1 + r.IntN(150) {
			v := r.Uint64()
			b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
		}
	case truncated:
		b = append(b, f.invite[:1+r.IntN(len(f.invite)-30)]...)
	case damaged:
		b = append(b, f.invite...)
		for range 1 + r.IntN(20) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		// Not by chance a good one: CSeq names another method (8.1.1.5).
		b[f.method] = 'X'
	case endless:
		b = append(b, f.invite[:len(f.invite)/2]...)
		b = append(b, "X-Long: "...)
		for c := byte('a' + r.IntN(26)); len(b) < cap(b)-8; {
			b = append(b, c)
		}
	case keepAlive:
		b = append(b, "\r\n\r\n"...)
	}
	f.net.Send(f.n%f.sockets, f.target, b)
	f.sent[kind]++
	f.n++
}

// receive counts what comes back.
func (f *flood) receive(b []byte) {
	if rest, ok := strings.CutPrefix(string(b[:min(len(b), 11)]), "SIP/2.0 "); ok && len(rest) == 3 {
		var code int
		for _, c := range rest {
			code = code*10 + int(c-'0')
		}
		if code >= 100 && code < len(f.replies) {
			f.replies[code]++
			return
		}
	}
	f.other++
}

func (f *flood) result() *result.Flood {
	r := &result.Flood{Sent: map[string]uint64{}, Sources: f.sockets, Replies: f.replies.Map(), Other: f.other}
	for k, n := range f.sent {
		r.Sent[kindNames[k]] = n
	}
	return r
}
