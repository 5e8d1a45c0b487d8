package netlink

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"trunkline/policies/firewall"
)

// Registers: nft uses register 1 for values; a second part of a concatenation
// begins at the 32-bit register 9 (IPv4) or 12 (IPv6), past the first.
const reg = 1

// loopbackIndex is the loopback interface in every network namespace.
const loopbackIndex = 1

// emitter turns the matches of one rule into expressions. Like nft it states
// each protocol a match depends on once, before the match, or the listing would
// show raw offsets.
type emitter struct {
	out    []expr.Any
	family firewall.Family
	proto  byte
	sets   map[string]*nftables.Set
	anon   func(t nftables.SetDatatype, keys [][]byte) (*nftables.Set, error)
}

func (e *emitter) add(x ...expr.Any) { e.out = append(e.out, x...) }

func (e *emitter) cmp(b []byte) {
	e.add(&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: b})
}

func (e *emitter) needFamily(f firewall.Family) {
	if e.family == f {
		return
	}
	e.family = f
	v := byte(unix.NFPROTO_IPV4)
	if f == firewall.IPv6 {
		v = unix.NFPROTO_IPV6
	}
	e.add(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg})
	e.cmp([]byte{v})
}

func (e *emitter) needProto(p byte) {
	if e.proto == p {
		return
	}
	e.proto = p
	e.add(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg})
	e.cmp([]byte{p})
}

// address loads the address at an end; the offsets are those of the IP headers.
func (e *emitter) address(f firewall.Family, end firewall.End, length uint32) {
	offset := uint32(12)
	if f == firewall.IPv6 {
		offset = 8
	}
	if end == firewall.Destination {
		offset += addressLen(f)
	}
	e.add(&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length})
}

// port loads the UDP or TCP port at an end.
func (e *emitter) port(end firewall.End, register uint32) {
	offset := uint32(0)
	if end == firewall.Destination {
		offset = 2
	}
	e.add(&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2})
}

func addressLen(f firewall.Family) uint32 {
	if f == firewall.IPv6 {
		return 16
	}
	return 4
}

func (e *emitter) lookup(name string, not bool) error {
	s, ok := e.sets[name]
	if !ok {
		return fmt.Errorf("set %s is not in the ruleset", name)
	}
	e.add(&expr.Lookup{SourceRegister: reg, SetName: s.Name, SetID: s.ID, Invert: not})
	return nil
}

// rule gives the expressions of r.
func (e *emitter) rule(r firewall.Rule) ([]expr.Any, error) {
	for _, m := range r.Matches {
		if err := e.match(m); err != nil {
			return nil, err
		}
	}
	if r.Counter != "" {
		e.add(&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: r.Counter})
	}
	switch r.Verdict.Kind {
	case firewall.Accept:
		e.add(&expr.Verdict{Kind: expr.VerdictAccept})
	case firewall.Drop:
		e.add(&expr.Verdict{Kind: expr.VerdictDrop})
	case firewall.Jump:
		e.add(&expr.Verdict{Kind: expr.VerdictJump, Chain: r.Verdict.Chain})
	case firewall.Notrack:
		e.add(&expr.Notrack{})
	default:
		return nil, fmt.Errorf("verdict %q has no expression", r.Verdict.Kind)
	}
	return e.out, nil
}

func (e *emitter) match(m firewall.Match) error {
	switch m := m.(type) {
	case firewall.Loopback:
		e.add(&expr.Meta{Key: expr.MetaKeyIIF, Register: reg})
		e.cmp(binaryutil.NativeEndian.PutUint32(loopbackIndex))
	case firewall.Addr:
		e.needFamily(m.Family())
		e.prefix(m.Family(), m.End, m.Prefix)
	case firewall.InSet:
		e.needFamily(m.Family)
		e.address(m.Family, m.End, addressLen(m.Family))
		return e.lookup(m.Set, m.Not)
	case firewall.Socket:
		f := m.Family()
		e.needFamily(f)
		e.address(f, m.End, addressLen(f))
		e.cmp(m.Address.AsSlice())
		e.needProto(byte(m.Protocol))
		e.port(m.End, reg)
		first, last := binary.BigEndian.AppendUint16(nil, m.First), binary.BigEndian.AppendUint16(nil, m.Last)
		if m.Last <= m.First {
			e.cmp(first)
			break
		}
		e.add(&expr.Cmp{Op: expr.CmpOpGte, Register: reg, Data: first}, &expr.Cmp{Op: expr.CmpOpLte, Register: reg, Data: last})
	case firewall.UDPSocketInSet:
		e.needFamily(m.Family)
		e.needProto(unix.IPPROTO_UDP)
		e.address(m.Family, m.End, addressLen(m.Family))
		e.port(m.End, unix.NFT_REG32_00+addressLen(m.Family)/4)
		return e.lookup(m.Set, false)
	case firewall.ICMP:
		return e.icmp(m)
	case firewall.HopLimit:
		e.needFamily(firewall.IPv6)
		e.add(&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 7, Len: 1})
		e.cmp([]byte{m.Value})
	case firewall.Tracked:
		e.state(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	case firewall.New:
		e.state(expr.CtStateBitNEW)
	case firewall.Limit:
		e.add(limit(m.Rate, m.Burst, false))
	case firewall.OverRate:
		s, ok := e.sets[m.Set]
		if !ok {
			return fmt.Errorf("meter %s is not in the ruleset", m.Set)
		}
		e.needFamily(m.Family)
		e.address(m.Family, firewall.Source, addressLen(m.Family))
		e.add(&expr.Dynset{
			SrcRegKey: reg, SetName: s.Name, SetID: s.ID, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE),
			Exprs: []expr.Any{limit(m.Rate, m.Burst, true)},
		})
	default:
		return fmt.Errorf("match %T has no expression", m)
	}
	return nil
}

// state matches packets that conntrack knows in one of the states.
func (e *emitter) state(bits uint32) {
	e.add(&expr.Ct{Key: expr.CtKeySTATE, Register: reg})
	e.add(&expr.Bitwise{
		SourceRegister: reg, DestRegister: reg, Len: 4,
		Mask: binaryutil.NativeEndian.PutUint32(bits),
		Xor:  make([]byte, 4),
	})
	e.add(&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: make([]byte, 4)})
}

// prefix compares whole bytes directly and masks others, as nft does.
func (e *emitter) prefix(f firewall.Family, end firewall.End, p netip.Prefix) {
	addr := p.Addr().AsSlice()
	if p.Bits()%8 == 0 && p.Bits() > 0 {
		n := p.Bits() / 8
		e.address(f, end, uint32(n))
		e.cmp(addr[:n])
		return
	}
	e.address(f, end, uint32(len(addr)))
	mask := make([]byte, len(addr))
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	e.add(&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: uint32(len(addr)), Mask: mask, Xor: make([]byte, len(addr))})
	e.cmp(addr)
}

func (e *emitter) icmp(m firewall.ICMP) error {
	proto, t := byte(unix.IPPROTO_ICMP), nftables.TypeICMPType
	if m.Family == firewall.IPv6 {
		proto, t = unix.IPPROTO_ICMPV6, nftables.TypeICMP6Type
	}
	e.needFamily(m.Family)
	e.needProto(proto)
	e.add(&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1})
	if len(m.Types) == 1 {
		e.cmp([]byte{m.Types[0]})
		return nil
	}
	keys := make([][]byte, len(m.Types))
	for i, v := range m.Types {
		keys[i] = []byte{v}
	}
	s, err := e.anon(t, keys)
	if err != nil {
		return err
	}
	e.add(&expr.Lookup{SourceRegister: reg, SetName: s.Name, SetID: s.ID})
	return nil
}

func limit(rate, burst int, over bool) *expr.Limit {
	return &expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(rate), Over: over, Unit: expr.LimitTimeSecond, Burst: uint32(burst)}
}
