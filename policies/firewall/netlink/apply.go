// Package netlink loads a firewall.Ruleset into the kernel through nf_tables
// netlink, without the nft program.
//
// Apply promises all or nothing: the table is replaced in one transaction, so at
// no moment is a packet judged by half a ruleset, and on an error the old table
// stands. It then reads back what the kernel holds, since the library is known
// to lose set elements without an error when a message gets too long. It needs
// CAP_NET_ADMIN; loading makes the same ruleset as firewall's text does with nft.
package netlink

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	mdl "github.com/mdlayher/netlink"

	"trunkline/policies/firewall"
)

const (
	// chunk is the largest number of elements in one message: an attribute is at
	// most 64 KiB long, and the length of a longer one wraps around unnoticed.
	chunk = 1000
	// socketBuffer holds a whole transaction and the kernel's acknowledgements of
	// it; the default ends in ENOBUFS or EMSGSIZE at some hundred rules.
	socketBuffer = 32 << 20
)

// Options say where to work. The zero value is the calling process's network
// namespace.
type Options struct {
	NetNS int // descriptor of a network namespace; 0: the current one
}

func (o Options) conn() (*nftables.Conn, error) {
	return nftables.New(nftables.WithNetNSFd(o.NetNS), nftables.WithSockOptions(
		func(c *mdl.Conn) error { return c.SetWriteBuffer(socketBuffer) },
		func(c *mdl.Conn) error { return c.SetReadBuffer(socketBuffer) },
	))
}

// Apply replaces the table with rs and checks that the kernel holds all of it. A
// disabled ruleset removes the table.
func Apply(rs *firewall.Ruleset, o Options) error {
	c, err := o.conn()
	if err != nil {
		return explain("open netlink", err)
	}
	b := &batch{c: c, table: &nftables.Table{Name: firewall.TableName, Family: nftables.TableFamilyINet}, sets: map[string]*nftables.Set{}}
	// Adding the table first lets the delete succeed where there is none.
	c.AddTable(b.table)
	c.DelTable(b.table)
	if !rs.Disabled {
		if err := b.ruleset(rs); err != nil {
			return fmt.Errorf("firewall: %w", err)
		}
	}
	if err := c.Flush(); err != nil {
		return explain("load the ruleset", err)
	}
	return Check(rs, o)
}

// explain adds the remedy the error calls for.
func explain(what string, err error) error {
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("firewall: %s: %w (CAP_NET_ADMIN is needed: run as root or give the unit AmbientCapabilities=CAP_NET_ADMIN)", what, err)
	case errors.Is(err, syscall.EPROTONOSUPPORT), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("firewall: %s: %w (the kernel lacks a part of nf_tables: modules nf_tables, nft_ct, nft_limit, nf_conntrack)", what, err)
	default:
		return fmt.Errorf("firewall: %s: %w", what, err)
	}
}

// batch collects one transaction.
type batch struct {
	c     *nftables.Conn
	table *nftables.Table
	sets  map[string]*nftables.Set
	ids   uint32
}

// id numbers the sets of a transaction, so that rules can refer to sets the
// kernel does not have yet.
func (b *batch) id() uint32 {
	b.ids++
	return b.ids
}

func (b *batch) ruleset(rs *firewall.Ruleset) error {
	b.c.AddTable(b.table)
	for _, n := range rs.Counters {
		b.c.AddObj(&nftables.NamedObj{Table: b.table, Name: n, Type: nftables.ObjTypeCounter, Obj: &expr.Counter{}})
	}
	for _, s := range rs.Addrs {
		if err := b.set(&nftables.Set{Name: s.Name, Interval: true, KeyType: addrType(s.Family)}, intervals(s)); err != nil {
			return err
		}
	}
	for _, s := range rs.Sockets {
		t, err := nftables.ConcatSetType(addrType(s.Family), nftables.TypeInetService)
		if err != nil {
			return fmt.Errorf("set %s: %w", s.Name, err)
		}
		if err := b.set(&nftables.Set{Name: s.Name, KeyType: t, Concatenation: true}, sockets(s)); err != nil {
			return err
		}
	}
	for _, s := range rs.Meters {
		m := &nftables.Set{Name: s.Name, KeyType: addrType(s.Family), Dynamic: true, HasTimeout: true, Timeout: s.Timeout, Size: uint32(s.Size)}
		if err := b.set(m, nil); err != nil {
			return err
		}
	}
	chains := make([]*nftables.Chain, len(rs.Chains))
	for i, ch := range rs.Chains {
		chains[i] = b.c.AddChain(b.chain(ch))
	}
	for i, ch := range rs.Chains {
		for n, r := range ch.Rules {
			e := &emitter{sets: b.sets, anon: b.anonymous}
			x, err := e.rule(r)
			if err != nil {
				return fmt.Errorf("chain %s, rule %d: %w", ch.Name, n+1, err)
			}
			b.c.AddRule(&nftables.Rule{Table: b.table, Chain: chains[i], Exprs: x})
		}
	}
	return nil
}

// set adds a set and its elements, chunk by chunk.
func (b *batch) set(s *nftables.Set, elements []nftables.SetElement) error {
	s.Table, s.ID, s.KeyByteOrder = b.table, b.id(), binaryutil.BigEndian
	if err := b.c.AddSet(s, nil); err != nil {
		return fmt.Errorf("set %s: %w", s.Name, err)
	}
	b.sets[s.Name] = s
	for len(elements) > 0 {
		n := min(chunk, len(elements))
		if err := b.c.SetAddElements(s, elements[:n]); err != nil {
			return fmt.Errorf("elements of set %s: %w", s.Name, err)
		}
		elements = elements[n:]
	}
	return nil
}

// anonymous adds the unnamed set of one rule.
func (b *batch) anonymous(t nftables.SetDatatype, keys [][]byte) (*nftables.Set, error) {
	s := &nftables.Set{Table: b.table, ID: b.id(), Anonymous: true, Constant: true, KeyType: t}
	// The library names only sets it numbers itself. The kernel fills in the %d.
	s.Name = "__set%d"
	elements := make([]nftables.SetElement, len(keys))
	for i, k := range keys {
		elements[i].Key = k
	}
	if err := b.c.AddSet(s, elements); err != nil {
		return nil, fmt.Errorf("anonymous set: %w", err)
	}
	return s, nil
}

func (b *batch) chain(ch firewall.Chain) *nftables.Chain {
	out := &nftables.Chain{Name: ch.Name, Table: b.table}
	if ch.Hook == "" {
		return out
	}
	hook := map[firewall.Hook]*nftables.ChainHook{
		firewall.Prerouting: nftables.ChainHookPrerouting,
		firewall.Input:      nftables.ChainHookInput,
		firewall.Forward:    nftables.ChainHookForward,
		firewall.Output:     nftables.ChainHookOutput,
	}[ch.Hook]
	policy := nftables.ChainPolicyDrop
	if ch.Accept {
		policy = nftables.ChainPolicyAccept
	}
	out.Type, out.Hooknum, out.Policy = nftables.ChainTypeFilter, hook, &policy
	out.Priority = nftables.ChainPriorityRef(nftables.ChainPriority(ch.Priority))
	return out
}

func addrType(f firewall.Family) nftables.SetDatatype {
	if f == firewall.IPv6 {
		return nftables.TypeIP6Addr
	}
	return nftables.TypeIPAddr
}

// intervals gives each range its first element and the end past its last. A
// range up to the last address of the family has no end.
func intervals(s firewall.AddrSet) []nftables.SetElement {
	out := make([]nftables.SetElement, 0, 2*len(s.Ranges))
	for _, r := range s.Ranges {
		out = append(out, nftables.SetElement{Key: r.From.AsSlice()})
		if end := r.To.Next(); end.IsValid() {
			out = append(out, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
	}
	return out
}

// sockets gives the keys of address and port, the port padded to a register.
func sockets(s firewall.SocketSet) []nftables.SetElement {
	out := make([]nftables.SetElement, len(s.Sockets))
	for i, a := range s.Sockets {
		out[i].Key = append(a.Addr().AsSlice(), byte(a.Port()>>8), byte(a.Port()), 0, 0)
	}
	return out
}
