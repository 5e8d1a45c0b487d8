package spec

import (
	"net/netip"

	"github.com/hashicorp/hcl/v2"
)

// Ports of the API and of what goes with it, by default.
const (
	controlPort = 8443
	metricsPort = 9090 // of Prometheus
	hepPort     = 9060 // of Homer
)

func (d *decoder) control(root *section, s *Spec) {
	s.Control = Control{Console: true, LogLevel: "info"}
	sec := root.one("control")
	if sec == nil {
		return
	}
	c := Control{
		Console:  sec.boolean("console", true),
		LogLevel: sec.oneOf("log_level", "info", []string{"error", "warn", "info", "debug"}, nil),
		Range:    sec.def,

		AddressRange: sec.rng("address"), SourcesRange: sec.rng("sources"),
	}
	c.Address = d.ownEndpoint(sec, controlPort)
	c.Sources = d.operators(sec, c.Address.Addr(), "Control open to everybody", hcl.DiagError)
	c.Certificate, c.CertificateRange = sec.secretRef("certificate")
	c.Key, c.KeyRange = sec.secretRef("key")
	c.ClientCA, c.ClientCARange = sec.secretRef("client_ca")
	d.controlParts(sec, &c)
	if m := sec.one("metrics"); m != nil {
		c.Metrics = &Metrics{
			Address: d.ownEndpoint(m, metricsPort), Range: m.def,
			AddressRange: m.rng("address"), SourcesRange: m.rng("sources"),
		}
		c.Metrics.Sources = d.operators(m, c.Metrics.Address.Addr(), "Metrics open to everybody", hcl.DiagWarning)
	}
	if h := sec.one("hep"); h != nil {
		c.HEP = &HEP{CaptureID: h.integer("capture_id", 1, 1<<32-1, 1), Range: h.def, AddressRange: h.rng("address")}
		if text := h.str("address", ""); text != "" {
			if e, ok := d.endpoint("address", text, c.HEP.AddressRange, hepPort, false); ok {
				c.HEP.Address = e.addrPort()
			}
		}
	}
	if r := sec.one("cdr"); r != nil {
		c.CDR = d.cdr(r)
	}
	s.Control = c
}

// ownEndpoint reads an address of ours with a port.
func (d *decoder) ownEndpoint(sec *section, port int) netip.AddrPort {
	text := sec.str("address", "")
	if text == "" {
		return netip.AddrPort{}
	}
	e, ok := d.endpoint("address", text, sec.rng("address"), port, false)
	if !ok {
		return netip.AddrPort{}
	}
	return e.addrPort()
}

// operators reads who may connect to an address of ours. open is the summary of
// what is said, with this severity, when that is everybody.
func (d *decoder) operators(sec *section, to netip.Addr, open string, sev hcl.DiagnosticSeverity) []netip.Prefix {
	list, places := d.prefixes(sec, "sources")
	same := false
	for i, p := range list {
		if p.Bits() == 0 {
			d.report(sev, places[i], open, p.String()+" is everybody. Write the networks of those who operate the appliance.")
		}
		switch {
		case !to.IsValid() || p.Addr().Is4() == to.Is4():
			same = true
		case p.Bits() > 0:
			d.errorf(places[i], "Source of the other family", "Nothing from %s can reach %s, which is %s. Remove it, or listen on an %s address.", p, to, family(to), family(p.Addr()))
			same = true // it has been said
		}
	}
	if len(list) > 0 && !same {
		d.errorf(sec.rng("sources"), "No source of the address's family", "The %s block listens on %s, and no source is %s: nobody could reach it. Add the prefixes of those who may.", sec.what, to, family(to))
	}
	return list
}

// controlParts holds what belongs to the address against its being there.
func (d *decoder) controlParts(sec *section, c *Control) {
	if !sec.stated("address") && !sec.typos["address"] {
		var idle []string
		for _, name := range []string{"sources", "certificate", "key", "client_ca", "console"} {
			if sec.stated(name) && (name != "console" || c.Console) {
				idle = append(idle, name)
			}
		}
		if len(idle) > 0 {
			d.errorf(sec.attrs[idle[0]].NameRange, "Control without an address", "Without address there is the local socket alone, and nothing comes of %s. Write address = \"10.0.9.10:8443\", or remove what is meant for it.", quoteList(idle, "and"))
		}
		return
	}
	for _, need := range []struct{ name, why, example string }{
		{"sources", "the firewall lets in those it names and nobody else", `["10.0.9.0/24"]`},
		{"certificate", "the API is reached over TLS alone", `"edge-cert"`},
		{"key", "the API is reached over TLS alone", `"edge-key"`},
	} {
		if !sec.stated(need.name) && !sec.typos[need.name] {
			d.errorf(sec.def, "Missing "+need.name, "A control block with an address needs %s: %s. For example: %s = %s", need.name, need.why, need.name, need.example)
		}
	}
	if c.Certificate != "" && c.Certificate == c.Key {
		d.errorf(c.KeyRange, "Certificate and key are one secret", "certificate and key name the secret %q both. Write a secret of its own for each: the certificate is shown to everybody, the key to nobody.", c.Key)
	}
	if !sec.stated("client_ca") && !sec.typos["client_ca"] {
		d.warnf(sec.def, "Control without client certificates", "Without client_ca anybody among the sources may change things: take destinations out, drain the appliance. Write client_ca = \"operators-ca\" with a secret that holds the authority of the operators' certificates.")
	}
}

func (d *decoder) cdr(sec *section) *CDR {
	x := &CDR{
		To:       sec.oneOf("to", "journal", []string{"journal", "file", "database"}, nil),
		Database: sec.str("database", ""),
		Range:    sec.def, DatabaseRange: sec.rng("database"),
	}
	switch {
	case x.To == "database" && !sec.stated("database") && !sec.typos["database"]:
		d.errorf(sec.def, "Missing database", "Call records that go to a database need its name. For example: database = \"calls\"")
	case x.To != "database" && sec.stated("database"):
		d.errorf(sec.attrs["database"].NameRange, "Database not used", "The records go to the %s, so the database gets none. Write to = \"database\", or remove database.", x.To)
		x.Database = ""
	}
	return x
}
