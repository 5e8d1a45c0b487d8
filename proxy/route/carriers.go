package route

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"trunkline/appliance/runtime"
)

// NoCarrier is the carrier of an address that is of none.
const NoCarrier = -1

// Carriers tells whose an address is, whatever listener it comes by. It is swapped as a
// whole; Of takes no lock and does not allocate.
type Carriers struct {
	table atomic.Pointer[bart.Table[int]]
	names []string
}

// NewCarriers makes the table of the carriers of a configuration; a carrier is known by its
// index there. The longest prefix decides; one that two carriers have is an error.
func NewCarriers(list []runtime.ScopedLimits) (*Carriers, error) {
	c, prefixes := &Carriers{}, make([][]netip.Prefix, len(list))
	for i, l := range list {
		c.names, prefixes[i] = append(c.names, l.Name), l.Prefixes
	}
	return c, c.Swap(prefixes)
}

// Swap puts other prefixes in place, by the carrier's index, or none of them.
func (c *Carriers) Swap(prefixes [][]netip.Prefix) error {
	if len(prefixes) != len(c.names) {
		return fmt.Errorf("prefixes of %d carriers, there are %d", len(prefixes), len(c.names))
	}
	t := &bart.Table[int]{}
	var errs []error
	for i, list := range prefixes {
		for _, p := range list {
			p = unmapped(p)
			if other, ok := t.Get(p); ok && other != i {
				errs = append(errs, fmt.Errorf("prefix %s is of carrier %q and of carrier %q: keep one of them", p, c.names[other], c.names[i]))
			}
			t.Insert(p, i)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.table.Store(t)
	return nil
}

// unmapped is a prefix of IPv4 addresses that IPv6 maps (RFC 4291 2.5.5.2) as one of IPv4.
func unmapped(p netip.Prefix) netip.Prefix {
	const mapped = 96
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped).Masked()
	}
	return p.Masked()
}

// Of gives the index of the carrier that an address is of, or NoCarrier.
func (c *Carriers) Of(a netip.Addr) int {
	if i, ok := c.table.Load().Lookup(a.Unmap()); ok {
		return i
	}
	return NoCarrier
}

// Name is the name of a carrier; empty: of none.
func (c *Carriers) Name(i int) string {
	if i < 0 || i >= len(c.names) {
		return ""
	}
	return c.names[i]
}

func (c *Carriers) index(name string) (int, bool) {
	for i, n := range c.names {
		if n == name {
			return i, true
		}
	}
	return NoCarrier, false
}
