package netlink

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"trunkline/policies/firewall"
)

// Check reads the table back and compares it with rs: every set element, every
// counter by name, every chain with its policy and number of rules. Differences
// are errors; of many elements the error names the number and the first.
func Check(rs *firewall.Ruleset, o Options) error {
	c, err := o.conn()
	if err != nil {
		return explain("open netlink", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return explain("list tables", err)
	}
	i := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == firewall.TableName })
	switch {
	case rs.Disabled && i < 0:
		return nil
	case rs.Disabled:
		return fmt.Errorf("firewall: table %s is loaded though the firewall is off: load it again", firewall.TableName)
	case i < 0:
		return fmt.Errorf("firewall: table %s is not loaded: run sbcd firewall", firewall.TableName)
	}
	k := &checker{c: c, table: tables[i], rs: rs}
	err = errors.Join(k.sets(), k.counters(), k.chains())
	if err != nil {
		return fmt.Errorf("firewall: the kernel's table differs from the ruleset: %w", err)
	}
	return nil
}

type checker struct {
	c     *nftables.Conn
	table *nftables.Table
	rs    *firewall.Ruleset
}

func (k *checker) sets() error {
	list, err := k.c.GetSets(k.table)
	if err != nil {
		return fmt.Errorf("list sets: %w", err)
	}
	have := map[string]*nftables.Set{}
	for _, s := range list {
		if !s.Anonymous {
			have[s.Name] = s
		}
	}
	if n := len(k.rs.Addrs) + len(k.rs.Sockets) + len(k.rs.Meters); len(have) != n {
		err = errors.Join(err, fmt.Errorf("%d sets instead of %d", len(have), n))
	}
	for _, s := range k.rs.Addrs {
		err = errors.Join(err, k.elements(have[s.Name], s.Name, intervals(s)))
	}
	for _, s := range k.rs.Sockets {
		err = errors.Join(err, k.elements(have[s.Name], s.Name, sockets(s)))
	}
	for _, s := range k.rs.Meters {
		switch h := have[s.Name]; {
		case h == nil:
			err = errors.Join(err, fmt.Errorf("meter %s is missing", s.Name))
		case int(h.Size) != s.Size || h.Timeout != s.Timeout:
			err = errors.Join(err, fmt.Errorf("meter %s has size %d and timeout %s instead of %d and %s", s.Name, h.Size, h.Timeout, s.Size, s.Timeout))
		}
	}
	return err
}

// elements compares the keys of a set. An interval end at the lowest address
// opens the space below the first range; nft adds it, and it means nothing.
func (k *checker) elements(have *nftables.Set, name string, want []nftables.SetElement) error {
	if have == nil {
		return fmt.Errorf("set %s is missing", name)
	}
	got, err := k.c.GetSetElements(have)
	if err != nil {
		return fmt.Errorf("list set %s: %w", name, err)
	}
	keys := make(map[string]bool, len(got))
	for _, e := range got {
		if e.IntervalEnd && isZero(e.Key) {
			continue
		}
		keys[key(e)] = true
	}
	var missing []nftables.SetElement
	for _, e := range want {
		if !keys[key(e)] {
			missing = append(missing, e)
		}
		delete(keys, key(e))
	}
	if len(missing) > 0 {
		return fmt.Errorf("set %s lacks %d of %d elements, the first is %x", name, len(missing), len(want), missing[0].Key)
	}
	if len(keys) > 0 {
		return fmt.Errorf("set %s has %d elements too many", name, len(keys))
	}
	return nil
}

func key(e nftables.SetElement) string { return fmt.Sprintf("%x %t", e.Key, e.IntervalEnd) }

func isZero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

func (k *checker) counters() error {
	list, err := k.c.GetNamedObjects(k.table)
	if err != nil {
		return fmt.Errorf("list counters: %w", err)
	}
	have := map[string]bool{}
	for _, o := range list {
		if n, ok := o.(*nftables.NamedObj); ok && n.Type == nftables.ObjTypeCounter && n.Table.Name == k.table.Name {
			have[n.Name] = true
		}
	}
	for _, n := range k.rs.Counters {
		if !have[n] {
			err = errors.Join(err, fmt.Errorf("counter %s is missing", n))
		}
	}
	return err
}

func (k *checker) chains() error {
	list, err := k.c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	have := map[string]*nftables.Chain{}
	for _, ch := range list {
		if ch.Table.Name == k.table.Name {
			have[ch.Name] = ch
		}
	}
	if len(have) != len(k.rs.Chains) {
		err = errors.Join(err, fmt.Errorf("%d chains instead of %d", len(have), len(k.rs.Chains)))
	}
	for _, ch := range k.rs.Chains {
		h := have[ch.Name]
		if h == nil {
			err = errors.Join(err, fmt.Errorf("chain %s is missing", ch.Name))
			continue
		}
		if ch.Hook != "" && (h.Policy == nil || (*h.Policy == nftables.ChainPolicyAccept) != ch.Accept) {
			err = errors.Join(err, fmt.Errorf("chain %s has another policy", ch.Name))
		}
		rules, e := k.c.GetRules(k.table, h)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("list chain %s: %w", ch.Name, e))
		} else if len(rules) != len(ch.Rules) {
			err = errors.Join(err, fmt.Errorf("chain %s has %d rules instead of %d", ch.Name, len(rules), len(ch.Rules)))
		}
	}
	return err
}

// Counters reads the counters of the loaded table: packets by counter name.
func Counters(o Options) (map[string]uint64, error) {
	c, err := o.conn()
	if err != nil {
		return nil, explain("open netlink", err)
	}
	list, err := c.GetNamedObjects(&nftables.Table{Name: firewall.TableName, Family: nftables.TableFamilyINet})
	if err != nil {
		return nil, explain("list counters", err)
	}
	out := map[string]uint64{}
	for _, obj := range list {
		if n, ok := obj.(*nftables.NamedObj); ok {
			if v, ok := n.Obj.(*expr.Counter); ok {
				out[n.Name] = v.Packets
			}
		}
	}
	return out, nil
}
