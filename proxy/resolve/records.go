package resolve

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Bounds on how long records are kept, whatever their TTL says.
const (
	MinTTL = 5 * time.Second
	MaxTTL = time.Hour
)

// Pauses after which servers are asked again that said nothing of use.
const (
	firstRetry = 5 * time.Second
	lastRetry  = time.Minute
)

const (
	// maxAliases bounds a chain of CNAME records, within answers and over several.
	maxAliases = 8
	// maxRecords is how many records of one name and type are taken.
	maxRecords = 32
	// unasked is how long records stay that nobody asks for any more.
	unasked = 24 * time.Hour
	// maxKnown is how many names and types are kept.
	maxKnown = 16384
)

// records are those of one name and type, without any: there are none.
type records struct {
	rrs     []dns.RR
	expires time.Time // when servers are due to be asked again
	stale   bool      // older than their TTL, as no server says anything of use
	noName  bool      // the name itself does not exist (NXDOMAIN)
	err     error     // with stale: what the servers said instead
}

type question struct {
	name string // complete, in lower case
	kind uint16
}

// memory keeps the records of names and asks for those it does not have.
type memory struct {
	client *client
	stats  *counters

	mu    sync.Mutex
	known map[question]*known
}

type known struct {
	records
	ok     bool      // there was an answer once
	used   time.Time // last asked for
	failed error     // failed last: servers are not asked before retry
	retry  time.Time
	pause  time.Duration
}

// get returns the records of a name. It fails when there never was an answer.
func (m *memory) get(ctx context.Context, name string, kind uint16) (records, error) {
	q, now := question{strings.ToLower(dns.Fqdn(name)), kind}, time.Now()
	m.mu.Lock()
	k := m.known[q]
	if k == nil {
		m.forget(now)
		k = &known{}
		m.known[q] = k
	}
	k.used = now
	fresh, held := k.ok && now.Before(k.expires), k.failed != nil && now.Before(k.retry)
	if fresh || held {
		defer m.mu.Unlock()
		return k.give(m.stats)
	}
	m.mu.Unlock()

	// Two may ask the same at one time, which costs a question and harms nothing.
	r, err := m.ask(ctx, q)

	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		*k = known{records: r, ok: true, used: now}
		return r, nil
	}
	if ctx.Err() != nil { // who asked gave up: that says nothing of the servers
		return records{}, err
	}
	if k.ok && k.failed == nil && time.Now().Before(k.expires) { // another was luckier
		return k.records, nil
	}
	k.pause = min(max(2*k.pause, firstRetry), lastRetry)
	k.failed, k.retry = err, time.Now().Add(k.pause)
	return k.give(m.stats)
}

// give is what is known now: the records, stale ones after a failure, or the failure.
func (k *known) give(stats *counters) (records, error) {
	if k.failed == nil {
		return k.records, nil
	}
	if !k.ok {
		return records{expires: k.retry}, k.failed
	}
	stats.stale.Add(1)
	r := k.records
	r.stale, r.expires, r.err = true, k.retry, k.failed
	return r, nil
}

// forget drops what nobody has asked for in a day, such as the former target of an
// SRV record; when the memory is full nevertheless, because a zone names other
// targets all the time, also what was not asked for the longest. The caller holds m.mu.
func (m *memory) forget(now time.Time) {
	var oldest question
	var since time.Time
	for q, k := range m.known {
		if now.Sub(k.used) > unasked {
			delete(m.known, q)
		} else if since.IsZero() || k.used.Before(since) {
			oldest, since = q, k.used
		}
	}
	if len(m.known) >= maxKnown {
		delete(m.known, oldest)
	}
}

// ask asks servers and follows aliases.
func (m *memory) ask(ctx context.Context, q question) (records, error) {
	name, ttl := q.name, MaxTTL
	for aliases := 0; ; {
		msg, err := m.client.ask(ctx, name, q.kind)
		if err != nil {
			return records{}, err
		}
		f, err := find(msg, name, q.kind, maxAliases-aliases)
		if err != nil {
			return records{}, fmt.Errorf("%s %s: %w", q.name, dns.TypeToString[q.kind], err)
		}
		ttl = min(ttl, f.ttl)
		if f.again { // the chain leads out of the answer
			aliases += f.aliases
			name = f.name
			continue
		}
		if len(f.rrs) > maxRecords {
			m.stats.cut.Add(1)
			f.rrs = f.rrs[:maxRecords]
		}
		return records{rrs: f.rrs, expires: time.Now().Add(max(ttl, MinTTL)), noName: f.noName}, nil
	}
}

// found is what an answer says of a name.
type found struct {
	rrs     []dns.RR // without duplicates, in an order that is always the same
	name    string   // where the aliases lead
	aliases int
	again   bool // name is to be asked for
	noName  bool
	ttl     time.Duration
}

// find takes the records of a name and type out of an answer: those of the name and
// of what it is an alias of, and no others the answer may hold.
func find(msg *dns.Msg, name string, kind uint16, aliases int) (found, error) {
	f := found{name: name, ttl: MaxTTL}
	for {
		var alias *dns.CNAME
		for _, rr := range msg.Answer {
			h := rr.Header()
			if h.Class != dns.ClassINET || !strings.EqualFold(h.Name, f.name) {
				continue
			}
			switch c, isAlias := rr.(*dns.CNAME); {
			case h.Rrtype == kind:
				f.rrs = append(f.rrs, rr)
				f.ttl = min(f.ttl, seconds(h.Ttl))
			case isAlias && alias == nil:
				alias = c
			}
		}
		if len(f.rrs) > 0 {
			f.rrs = ordered(f.rrs)
			return f, nil
		}
		if alias == nil {
			break
		}
		if f.aliases++; f.aliases > aliases {
			return f, fmt.Errorf("the name is an alias of an alias, more than %d times over: have its zone corrected", maxAliases)
		}
		f.ttl = min(f.ttl, seconds(alias.Hdr.Ttl))
		f.name = strings.ToLower(dns.Fqdn(alias.Target))
	}
	return f.none(msg)
}

// none judges an answer without the records: there are none, or another question
// or server must tell.
func (f found) none(msg *dns.Msg) (found, error) {
	var soa *dns.SOA
	referral := false
	for _, rr := range msg.Ns {
		switch x := rr.(type) {
		case *dns.SOA:
			soa = x
		case *dns.NS:
			referral = true
		}
	}
	f.noName = msg.Rcode == dns.RcodeNameError
	switch {
	case soa != nil: // RFC 2308 5
		f.ttl = min(f.ttl, seconds(soa.Hdr.Ttl), seconds(soa.Minttl))
	case f.noName:
		f.ttl = MinTTL
	case f.aliases > 0:
		f.again = true
	case referral && !msg.Authoritative:
		return f, fmt.Errorf("the server names others to ask instead of an answer: it is no resolver, or does not resolve for this appliance")
	default:
		f.ttl = MinTTL
	}
	return f, nil
}

// seconds is a TTL; one with the highest bit set is 0 (RFC 2181 8).
func seconds(ttl uint32) time.Duration {
	if ttl>>31 != 0 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

// ordered sorts records by what they say and leaves duplicates out, so that servers
// that rotate their answers change nothing.
func ordered(rrs []dns.RR) []dns.RR {
	type keyed struct {
		rr  dns.RR
		key string
	}
	all := make([]keyed, len(rrs))
	for i, rr := range rrs {
		all[i] = keyed{rr, sortKey(rr)}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	all = slices.CompactFunc(all, func(a, b keyed) bool { return a.key == b.key })
	out := make([]dns.RR, len(all))
	for i, k := range all {
		out[i] = k.rr
	}
	return out
}

// sortKey orders by the numbers that say what comes first, then by the rest.
func sortKey(rr dns.RR) string {
	switch x := rr.(type) {
	case *dns.A:
		return addrKey(x.A)
	case *dns.AAAA:
		return addrKey(x.AAAA)
	case *dns.SRV:
		return fmt.Sprintf("%05d %05d %05d %s", x.Priority, 65535-x.Weight, x.Port, strings.ToLower(x.Target))
	case *dns.NAPTR:
		return strings.ToLower(fmt.Sprintf("%05d %05d %s %s %s %s", x.Order, x.Preference, x.Service, x.Flags, x.Replacement, x.Regexp))
	}
	return rr.String()
}

func addrKey(ip []byte) string {
	a, _ := netip.AddrFromSlice(ip)
	b := a.As16()
	return string(b[:])
}
