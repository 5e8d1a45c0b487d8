package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Bounds on udp_limit: RFC 3261 section 18.1.1 lets every request of up to 1300
// bytes go over UDP, whatever the path.
const (
	leastUDPLimit = 1300
	udpRoom       = 200 // bytes below the MTU, same section
)

// messages reads what is changed in forwarded messages.
func (d *decoder) messages(root *section, s *Spec) {
	s.Messages = Messages{Fallback: true}
	sec := root.one("messages")
	if sec == nil {
		return
	}
	m := Messages{
		Compact:      sec.boolean("compact", false),
		UDPLimit:     sec.integerOrAuto("udp_limit", leastUDPLimit, maxDatagram),
		Fallback:     sec.boolean("fallback", true),
		HideTopology: sec.boolean("hide_topology", false),
		Range:        sec.def,

		UDPLimitRange: sec.rng("udp_limit"), FallbackRange: sec.rng("fallback"), HideRange: sec.rng("hide_topology"), CompactRange: sec.rng("compact"),
	}
	d.removeHeaders(sec, &m)
	d.codecs(sec, &m)
	s.Messages = m
}

// tokenRule is token of RFC 3261 section 25.1, with a closing * for a wildcard.
var tokenRule = regexp.MustCompile("^[A-Za-z0-9.!%_`'~+-]+\\*?$")

// removeHeaders reads the header diet. Names that differ in case alone, or that a
// wildcard covers, are the same.
func (d *decoder) removeHeaders(sec *section, m *Messages) {
	values, places := sec.texts("remove_headers")
	for i, v := range values {
		name, full := canonicalHeader(v)
		place := places[i]
		d.compactName(v, full, place)
		switch {
		case !tokenRule.MatchString(v):
			d.errorf(place, "Invalid header", "%q is no name of a header field. For example: \"User-Agent\", or \"X-*\" for all whose names begin with X-.", v)
			continue
		case strings.HasSuffix(name, "*") && !strings.HasPrefix(name, "X-"):
			d.errorf(place, "Invalid wildcard", "%q would take headers that calls need. A wildcard is for headers of your own: \"X-*\", or longer, such as \"X-Acme-*\". Write the names of others one by one.", v)
			continue
		case protectedHeaders[name] != "":
			d.errorf(place, "Protected header", "%s cannot be removed: %s. Remove it from the list.", name, protectedHeaders[name])
			continue
		}
		if j := slices.IndexFunc(m.RemoveHeaders, func(h string) bool { return covers(h, name) || covers(name, h) }); j >= 0 {
			d.coveredHeader(m, j, name, place)
			continue
		}
		d.unsafeHeader(name, place)
		m.RemoveHeaders, m.RemoveRanges = append(m.RemoveHeaders, name), append(m.RemoveRanges, place)
	}
}

// compactName says what a name of one letter stands for.
func (d *decoder) compactName(written, full string, place hcl.Range) {
	if full != "" && protectedHeaders[full] == "" {
		d.warnf(place, "Compact header name", "%q is the compact form of %s (RFC 3261 section 7.3.3); both forms are removed. Write the full name.", written, full)
	}
}

func (d *decoder) coveredHeader(m *Messages, j int, name string, place hcl.Range) {
	first := m.RemoveHeaders[j]
	if first == name {
		d.errorf(place, "Header given twice", "%s stands at %s already. Remove one of the two.", name, at(m.RemoveRanges[j]))
		return
	}
	wide, narrow := first, name
	if covers(name, first) {
		wide, narrow = name, first
	}
	d.errorf(place, "Header given twice", "%s is among %s already. Remove it.", narrow, wide)
}

// unsafeHeader warns of what is neither known to be harmless nor somebody's own.
func (d *decoder) unsafeHeader(name string, place hcl.Range) {
	if slices.Contains(removableHeaders, name) || strings.HasPrefix(name, "X-") {
		return
	}
	detail := fmt.Sprintf("Nothing is known of what %s is for in your calls: a proxy is to pass on what it does not need (RFC 3261 section 16.6). Known to be harmless are %s, and headers of your own (X-).", name, quoteList(removableHeaders, "and"))
	if c := closest(name, slices.Concat(removableHeaders, ProtectedHeaders())); c != "" {
		detail += fmt.Sprintf(" Did you mean %q?", c)
	} else {
		detail += " Remove it from the list unless you are sure."
	}
	d.report(hcl.DiagWarning, place, "Header of unknown use", detail)
}

// codecs reads the encoding names kept in SDP.
func (d *decoder) codecs(sec *section, m *Messages) {
	values, places := sec.texts("codecs")
	speech := false
	for i, v := range values {
		name, known := canonicalCodec(v)
		switch {
		case !tokenRule.MatchString(v) || strings.HasSuffix(v, "*"):
			d.errorf(places[i], "Invalid codec", "%q is no encoding name, as in a=rtpmap (RFC 8866 section 6.6). For example: codecs = [\"PCMA\", \"PCMU\", \"telephone-event\"]", v)
			continue
		case codecAliases[strings.ToLower(v)] != "":
			d.errorf(places[i], "Invalid codec", "%q is what people say, SDP has another name for it. Write %s.", v, codecAliases[strings.ToLower(v)])
			continue
		case slices.Contains(m.Codecs, name):
			j := slices.Index(m.Codecs, name)
			d.errorf(places[i], "Codec given twice", "%s stands at %s already. Remove one of the two.", name, at(m.CodecRanges[j]))
			continue
		case !known:
			detail := "It is kept where SDP names it so."
			if c := closest(v, knownCodecs); c != "" {
				detail = fmt.Sprintf("Did you mean %q?", c)
			}
			d.warnf(places[i], "Unknown codec", "%q is not among the encoding names Trunkline knows. %s", v, detail)
		}
		speech = speech || !slices.Contains(notSpeech, name)
		m.Codecs, m.CodecRanges = append(m.Codecs, name), append(m.CodecRanges, places[i])
	}
	switch {
	case len(m.Codecs) == 0 || len(m.Codecs) < len(values):
	case !speech:
		d.errorf(sec.rng("codecs"), "No codec for speech", "%s carry no speech, so every offer would be left without a codec. Add one both sides have, such as \"PCMA\".", quoteList(m.Codecs, "and"))
	case !slices.Contains(m.Codecs, telephoneEvent):
		d.warnf(sec.rng("codecs"), "Codecs without telephone-event", "Digits pressed during a call travel as telephone-event (RFC 4733), which this list takes out of every offer. Add \"telephone-event\".")
	}
}
