package spec

import (
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// maxDynamic bounds sockets that come from a table: their slots are made when the
// appliance starts.
const maxDynamic = 1000

// Names of tables and columns go into a query as they are, so they are those SQL
// takes without quotes; a table may have its schema in front.
var (
	columnRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
	tableRule  = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,62}$`)
)

func (d *decoder) sockets(root *section, s *Spec) {
	sec := root.one("sockets")
	if sec == nil {
		return
	}
	x := &Sockets{
		Database:   sec.str("database", ""),
		Table:      sec.str("table", "sockets"),
		Workers:    sec.integer("workers", 1, 1024, 8),
		MaxSockets: sec.integer("max_sockets", 1, maxDynamic, 100),
		Range:      sec.def,

		DatabaseRange: sec.rng("database"), WorkersRange: sec.rng("workers"),
		MaxSocketsRange: sec.rng("max_sockets"), SourcesRange: sec.rng("sources"),
	}
	x.Columns = d.columns(sec)
	x.NICs, x.NICRanges = sec.texts("nics")
	x.Sources, _ = d.prefixes(sec, "sources")
	if !tableRule.MatchString(x.Table) {
		sec.wrong("table", "A table has a name SQL takes without quotes, with or without its schema: a letter or underscore, then letters, digits and underscores, 63 at most.")
	}
	s.Sockets = x
}

// columns reads the names of the columns; what is not named keeps its default.
func (d *decoder) columns(sec *section) SocketColumns {
	out := SocketColumns{Socket: "socket", Advertised: "advertised", Tag: "tag", Flags: "flags", TOS: "tos"}
	v, ok := sec.value("columns")
	if !ok {
		return out
	}
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		sec.wrong("columns", "columns takes an object, not "+literal(v)+".")
		return out
	}
	fields := map[string]*string{
		"socket": &out.Socket, "advertised": &out.Advertised, "tag": &out.Tag, "flags": &out.Flags, "tos": &out.TOS,
	}
	known := []string{"socket", "advertised", "tag", "flags", "tos"}
	places := objectPlaces(sec.attrs["columns"].Expr)
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		name := k.AsString()
		place, literalKey := places[name]
		if !literalKey {
			place = sec.rng("columns")
		}
		switch field := fields[name]; {
		case field == nil:
			d.errorf(place, "Unknown column", "A socket has no %q. %s", name, didYouMean(name, known, "column"))
		case !isText(e) || !columnRule.MatchString(e.AsString()):
			d.errorf(place, "Invalid columns", "The column of %s is %s, and a column has a name SQL takes without quotes: a letter or underscore, then letters, digits and underscores, 63 at most.", name, literal(e))
		default:
			*field = e.AsString()
		}
	}
	for i, name := range known {
		for _, earlier := range known[:i] {
			if *fields[name] == *fields[earlier] {
				place, literalKey := places[name]
				if !literalKey {
					place = sec.rng("columns")
				}
				d.errorf(place, "Column used twice", "%s and %s are both read from column %q. Write the column of each.", earlier, name, *fields[name])
				return out
			}
		}
	}
	return out
}

// checkSockets compares the sockets of a table with the database, the NICs and the
// listeners.
func (d *decoder) checkSockets(s *Spec) {
	x := s.Sockets
	if x == nil {
		return
	}
	d.checkDatabaseRef(s, "sockets block", x.Database, x.DatabaseRange)
	var names []string
	nics := map[string]*NIC{}
	for _, n := range s.Hardware.NICs {
		names = append(names, n.Name)
		nics[n.Name] = n
	}
	seen := map[string]hcl.Range{}
	for i, name := range x.NICs {
		place := x.NICRanges[i]
		n := nics[name]
		switch prev, dup := seen[name]; {
		case dup:
			d.errorf(place, "NIC named twice", "NIC %q stands at %s already. Remove one of the two.", name, at(prev))
		case n == nil && len(names) > 0 && !d.isBroken("nic", name) && !d.hardwareUnclear(s):
			d.errorf(place, "Unknown NIC", "The sockets block names NIC %q. %s", name, didYouMean(name, names, "NIC"))
		case n != nil && n.Management:
			d.errorf(place, "Sockets on a management NIC", "NIC %q is for operating the appliance and takes no SIP. Name another NIC.", name)
		case n != nil && len(n.Addresses) == 0:
			d.errorf(place, "NIC without an address", "NIC %q has no address a socket could have. Name the bond or VLAN above it, which has.", name)
		}
		seen[name] = place
	}
	onNIC := func(l *Listener) bool { return l.NIC != "" || !l.Address.IsLoopback() }
	if len(x.NICs) == 0 && len(s.Listeners) > 0 && !slices.ContainsFunc(s.Listeners, onNIC) {
		d.errorf(x.Range, "Sockets on no NIC", "Without nics the rows may name addresses of the NICs that have listeners, and all listeners are on the loopback. Write nics = [\"wan\"] with the NIC that is meant.")
	}
	d.checkSocketSources(s)
	switch n, left := len(s.Listeners)+x.MaxSockets, MaxListeners-len(s.Listeners); {
	case n <= MaxListeners || left < 0: // see checkBounds
	case left == 0:
		d.errorf(x.MaxSocketsRange, "Too many sockets", "An appliance has at most %d sockets, and the listeners are as many. Remove some, or the sockets block.", MaxListeners)
	default:
		d.errorf(x.MaxSocketsRange, "Too many sockets", "An appliance has at most %d sockets, and %d listeners with %d from the table are %d. Write max_sockets = %d or less.", MaxListeners, len(s.Listeners), x.MaxSockets, n, left)
	}
}

// checkSocketSources reports sources that are of a family none of the sockets can
// have: the addresses are those of the NICs named, or of those with listeners.
func (d *decoder) checkSocketSources(s *Spec) {
	x := s.Sockets
	if d.hardwareUnclear(s) {
		return
	}
	nics := x.NICs
	if len(nics) == 0 {
		for _, l := range s.Listeners {
			nics = append(nics, l.NIC)
		}
	}
	var v4, v6 bool
	for _, n := range s.Hardware.NICs {
		for _, p := range n.Addresses {
			if slices.Contains(nics, n.Name) {
				v4, v6 = v4 || p.Addr().Is4(), v6 || p.Addr().Is6()
			}
		}
	}
	if !v4 && !v6 { // no NIC, which has been reported
		return
	}
	for _, p := range x.Sources {
		if p.Bits() > 0 && (p.Addr().Is4() && !v4 || p.Addr().Is6() && !v6) {
			d.errorf(x.SourcesRange, "Source of the other family", "No NIC of the sockets has an %s address, so nothing from %s reaches one of them. Remove it, or add such an address to the NIC.", family(p.Addr()), p)
			return
		}
	}
}
