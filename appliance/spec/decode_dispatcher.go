package spec

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// defaultNever are the answers of the person called, not of the gateway: busy
// here and decline (RFC 3261 sections 21.4.24, 21.6.2).
var defaultNever = []int{486, 603}

func defaultFailover() Failover {
	return Failover{
		On:        []CodeSpan{{500, 599}, {600, 699}},
		OnTimeout: true,
		Never:     append([]int(nil), defaultNever...),
	}
}

func (d *decoder) dispatchers(root *section, s *Spec) {
	for _, sec := range root.all("dispatcher") {
		algorithm, sure := sec.choice("algorithm", AlgorithmHashCallID, algorithms, nil)
		if !sure {
			d.broken(algorithmOf, sec.name)
		}
		set := &Dispatcher{
			Name:      sec.name,
			ID:        sec.integer("id", 1, maxInt, 0),
			Algorithm: algorithm,
			Next:      sec.str("next", ""),
			Failover:  defaultFailover(),
			Range:     sec.def,
			IDRange:   sec.rng("id"),

			AlgorithmRange: sec.rng("algorithm"), NextRange: sec.rng("next"),
		}
		set.Failover.Range = sec.def
		if p := sec.one("probe"); p != nil {
			set.Probe = d.probe(p)
		}
		if f := sec.one("failover"); f != nil {
			set.Failover = d.failover(f)
		}
		for _, dst := range sec.all("destination") {
			set.Destinations = append(set.Destinations, d.destination(dst))
		}
		if len(set.Destinations) == 0 && sec.name != "" && !sec.typos["destination"] {
			d.errorf(sec.def, "Empty dispatcher", "Dispatcher %q has no destination, so every call sent to it gets 503. Add one: destination \"fs1\" { uri = \"sip:10.0.0.11:5060\" }", sec.name)
		}
		s.Dispatchers = append(s.Dispatchers, set)
	}
}

func (d *decoder) probe(sec *section) *Probe {
	p := &Probe{
		Interval:         sec.duration("interval", time.Second, time.Hour, 30*time.Second),
		Timeout:          sec.duration("timeout", 100*time.Millisecond, time.Minute, 4*time.Second),
		FailThreshold:    sec.integer("fail_threshold", 1, 1000, 5),
		RecoverThreshold: sec.integer("recover_threshold", 1, 1000, 5),
		From:             sec.str("from", ""),
		Range:            sec.def,
		FailRange:        sec.rng("fail_threshold"),
		IntervalRange:    sec.rng("interval"),
		RecoverRange:     sec.rng("recover_threshold"),
	}
	if p.Timeout >= p.Interval {
		d.errorf(sec.rng("timeout"), "Probe timeout too long", "A probe is given up after %s, but the next leaves after %s already. Write a timeout below the interval.", shortDuration(p.Timeout), shortDuration(p.Interval))
	}
	if p.From != "" && !validFrom(p.From) {
		sec.wrong("from", fmt.Sprintf("%q is not a SIP URI.", p.From))
	}
	if !sec.stated("accept") {
		p.Accept = []CodeSpan{{200, 299}}
		return p
	}
	list, _ := sec.items("accept")
	for _, e := range list {
		span, err := codeSpan(e.value)
		switch {
		case err != nil:
			d.errorf(e.rng, "Invalid accept", "%s.", err)
		case span.First < 200:
			d.errorf(e.rng, "Invalid accept", "%s is not a final reply, so a probe cannot end with it. Write 2xx to 6xx.", literal(e.value))
		default:
			p.Accept = append(p.Accept, span)
		}
	}
	return p
}

// validFrom keeps to sip:user@host[:port], which needs no quoting in a header.
func validFrom(uri string) bool {
	rest, ok := strings.CutPrefix(uri, "sip:")
	if !ok {
		return false
	}
	if user, host, hasUser := strings.Cut(rest, "@"); hasUser {
		return user != "" && strings.Trim(user, userChars) == "" && validHostPort(host)
	}
	return validHostPort(rest)
}

// userChars are what a user part holds without escapes (RFC 3261 section 25.1:
// unreserved and user-unreserved).
const userChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,;?/"

// codeSpan reads "5xx", "404" or 404.
func codeSpan(v cty.Value) (CodeSpan, error) {
	want := fmt.Errorf("%s is no status code. Write a class (\"5xx\") or a code (\"503\")", literal(v))
	if n, err := whole(v, 100, 699); err == nil {
		return CodeSpan{n, n}, nil
	}
	if !isText(v) {
		return CodeSpan{}, want
	}
	text := strings.ToLower(v.AsString())
	if len(text) == 3 && text[1:] == "xx" && text[0] >= '1' && text[0] <= '6' {
		first := int(text[0]-'0') * 100
		return CodeSpan{first, first + 99}, nil
	}
	return CodeSpan{}, want
}

func (d *decoder) failover(sec *section) Failover {
	f := defaultFailover()
	f.Range = sec.def
	if sec.stated("never") {
		f.Never = nil
		d.never(sec, &f)
	}
	if !sec.stated("on") {
		return f
	}
	f.On, f.OnTimeout = nil, false
	list, _ := sec.items("on")
	for _, e := range list {
		if isText(e.value) && e.value.AsString() == "timeout" {
			f.OnTimeout = true
			continue
		}
		span, err := codeSpan(e.value)
		switch {
		case err != nil && isText(e.value) && closest(e.value.AsString(), []string{"timeout"}) != "":
			d.errorf(e.rng, "Invalid on", "%s is no status code. Did you mean \"timeout\"?", literal(e.value))
		case err != nil:
			d.errorf(e.rng, "Invalid on", "%s, or \"timeout\" for no answer at all.", err)
		case span.First < 300:
			d.errorf(e.rng, "Invalid on", "%s is not a failure, so a call cannot move on because of it. Write 3xx to 6xx or \"timeout\".", literal(e.value))
		default:
			f.On = append(f.On, span)
		}
	}
	for _, code := range defaultNever {
		if contains(f.On, code) && !slices.Contains(f.Never, code) {
			d.warnf(sec.rng("on"), "Failover on the called person's answer", "%d is an answer of the person called, not a fault of the gateway: calling again through the next destination rings somebody who has said no. Add %d to never.", code, code)
		}
	}
	return f
}

func (d *decoder) never(sec *section, f *Failover) {
	list, _ := sec.itemsOrNone("never") // an empty list says: whatever the code
	for _, e := range list {
		n, err := whole(e.value, 300, 699)
		if err != nil {
			d.errorf(e.rng, "Invalid never", "Each element of never is %s, not %s.", err, literal(e.value))
			continue
		}
		f.Never = append(f.Never, n)
	}
}

func contains(spans []CodeSpan, code int) bool {
	for _, s := range spans {
		if s.First <= code && code <= s.Last {
			return true
		}
	}
	return false
}
