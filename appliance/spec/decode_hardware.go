package spec

import (
	"fmt"
	"maps"
	"net"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const (
	mebibyte = 1 << 20
	gibibyte = 1 << 30
	maxInt   = 1<<31 - 1 // for counts without a bound of their own
)

// ApplianceNameRule is what the name of an appliance must be, for messages.
const ApplianceNameRule = "a DNS label (RFC 1123): 1 to 63 lower-case letters, digits and hyphens, no hyphen first or last"

// ValidApplianceName reports whether an appliance can be called so.
func ValidApplianceName(name string) bool { return labelRule.MatchString(name) }

var labelRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (d *decoder) appliance(root *section, s *Spec) {
	a := root.one("appliance")
	if a == nil {
		return
	}
	s.Appliance = Appliance{Name: a.name, Site: a.str("site", ""), Range: a.def}
	if a.name != "" && !ValidApplianceName(a.name) {
		d.errorf(a.def, "Invalid appliance name", "The name %q becomes the host name, so it must be %s.", a.name, ApplianceNameRule)
	}
}

func (d *decoder) hardware(root *section, s *Spec) {
	before := len(d.diags)
	hw := root.one("hardware")
	if hw == nil {
		return
	}
	s.Hardware = Hardware{
		Platform:    hw.oneOf("platform", "", []string{PlatformVM, PlatformBaremetal}, nil),
		Memory:      hw.size("memory", 256*mebibyte, 64<<40, 0),
		Range:       hw.def,
		MemoryRange: hw.rng("memory"),
		CPURange:    hw.def,
	}
	s.Hardware.Mismatch = hw.oneOf("mismatch", MismatchRefuse, []string{MismatchRefuse, MismatchResize, MismatchWarn}, nil)
	s.Hardware.Console = d.console(hw)
	if cpu := hw.one("cpu"); cpu != nil {
		s.Hardware.Cores = cpu.integer("cores", 1, 1024, 0)
		s.Hardware.ThreadsPerCore = cpu.integer("threads_per_core", 1, 8, 1)
		s.Hardware.CPURange = cpu.def
		s.Hardware.Vendor = d.vendor(cpu, s.Hardware.Platform)
	}
	for _, sec := range hw.all("nic") {
		s.Hardware.NICs = append(s.Hardware.NICs, d.card(sec, s.Hardware.Platform))
	}
	for _, sec := range hw.all("bond") {
		s.Hardware.NICs = append(s.Hardware.NICs, d.bond(sec))
	}
	for _, sec := range hw.all("vlan") {
		s.Hardware.NICs = append(s.Hardware.NICs, d.vlan(sec))
	}
	for _, sec := range hw.all("route") {
		s.Hardware.Routes = append(s.Hardware.Routes, d.staticRoute(sec))
	}
	d.resolvers(hw, s)
	d.timeServers(hw, s)
	for _, sec := range hw.all("disk") {
		s.Hardware.Disks = append(s.Hardware.Disks, d.disk(sec, s.Hardware.Platform))
	}
	if d.diags[before:].HasErrors() {
		d.broken("network", anyName) // what cannot be reached may be behind what was not read
	}
	for _, key := range slices.Collect(maps.Keys(d.hurt)) {
		if key[0] == KindBond || key[0] == KindVLAN {
			d.broken("nic", key[1]) // listeners and routes name all kinds alike
		}
	}
}

// disk reads one of the machine.
func (d *decoder) disk(sec *section, platform string) *Disk {
	out := &Disk{Name: sec.name, Size: sec.size("size", gibibyte, 64<<40, 0), Range: sec.def}
	out.Path, out.PathRange = d.match(sec, "path", "A disk", d.devicePath)
	out.Driver, out.DriverRange = d.driver(sec, platform, DriverDisk), sec.rng("driver")
	return out
}

// devicePath takes the path of a device node: below /dev, and in the one form a
// comparison finds.
func (d *decoder) devicePath(text string, place hcl.Range) string {
	rest, below := strings.CutPrefix(text, "/dev/")
	switch {
	case text == "":
		return ""
	case !below || rest == "":
		d.errorf(place, "Invalid path", "%q is no device. Write its path below /dev: \"/dev/vda\", or a name that stays when disks are added: \"/dev/disk/by-id/...\".", text)
	case path.Clean(text) != text || strings.ContainsAny(text, " \t\n\x00"):
		d.errorf(place, "Invalid path", "%q holds what no path of a device has: blanks, or \"..\" and empty parts. Write it as the system does: \"/dev/vda\".", text)
	default:
		return text
	}
	return ""
}

// match reads `match = { KEY = "..." }` and `match { KEY = "..." }` alike, and gives
// what read makes of the text. The range is the block's own when neither is there.
func (d *decoder) match(sec *section, key, what string, read func(string, hcl.Range) string) (string, hcl.Range) {
	if m := sec.one("match"); m != nil {
		if sec.has("match") {
			d.errorf(m.def, "match given twice", "match stands at %s already. Remove one of the two.", at(sec.rng("match")))
		}
		return read(m.str(key, ""), m.rng(key)), m.def
	}
	v, ok := sec.value("match")
	if !ok {
		return "", sec.rng("match")
	}
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		sec.wrong("match", fmt.Sprintf("match takes an object, not %s.", literal(v)))
		return "", sec.rng("match")
	}
	found := ""
	places := objectPlaces(sec.attrs["match"].Expr)
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		place, known := places[k.AsString()]
		if !known {
			place = sec.rng("match")
		}
		switch {
		case k.AsString() != key:
			d.errorf(place, "Unknown match", "%s is matched by its %s, not by %q. For example: match = %s", what, key, k.AsString(), sec.schema.attr("match").example)
		case !isText(e):
			d.errorf(place, "Invalid "+key, "The %s is text in quotes, not %s.", key, literal(e))
		default:
			found = read(e.AsString(), place)
		}
	}
	return found, sec.rng("match")
}

// objectPlaces finds where the values of a literal object stand.
func objectPlaces(e hclsyntax.Expression) map[string]hcl.Range {
	out := map[string]hcl.Range{}
	o, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return out
	}
	for _, it := range o.Items {
		if key := hcl.ExprAsKeyword(it.KeyExpr); key != "" {
			out[key] = it.ValueExpr.Range()
		}
	}
	return out
}

func (d *decoder) mac(text string, place hcl.Range) string {
	if text == "" {
		return ""
	}
	mac, err := net.ParseMAC(text)
	switch {
	case err != nil || len(mac) != 6:
		d.errorf(place, "Invalid MAC", "%q is not an Ethernet address. Write six pairs of hexadecimal digits: \"52:54:00:12:34:56\".", text)
	case mac[0]&1 != 0:
		d.errorf(place, "Invalid MAC", "%q is a multicast address (the lowest bit of its first byte is set); no card has it. Write the card's own.", text)
	case mac.String() == "00:00:00:00:00:00":
		d.errorf(place, "Invalid MAC", "An address of zeros belongs to no card. Write the card's own.")
	default:
		return mac.String()
	}
	return ""
}

func (d *decoder) workload(root *section, s *Spec) {
	w := root.one("workload")
	if w == nil {
		return
	}
	s.Workload = Workload{
		CPS:             w.integer("cps", 1, maxInt, 0),
		ConcurrentCalls: w.integer("concurrent_calls", 1, maxInt, 0),
		CallDuration:    w.duration("call_duration", time.Second, 24*time.Hour, 0),
		RingTime:        w.duration("ring_time", 0, time.Hour, 8*time.Second),
		WorkerWait:      w.duration("worker_wait", 0, 10*time.Second, 0),
		Range:           w.def,
		CPSRange:        w.rng("cps"),
		ConcurrentRange: w.rng("concurrent_calls"),
		DurationRange:   w.rng("call_duration"),
		RingRange:       w.rng("ring_time"),
		WorkerWaitRange: w.rng("worker_wait"),
	}
}
