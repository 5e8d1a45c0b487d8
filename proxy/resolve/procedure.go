package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// noneError is the answer of DNS that there is nothing to be used, as opposed to no
// answer.
type noneError struct{ why string }

func (e *noneError) Error() string { return e.why }

func none(format string, args ...any) error { return &noneError{fmt.Sprintf(format, args...)} }

// run is one walk through the procedure of RFC 3263 section 4.
type run struct {
	q      Query
	own    []netip.Addr
	memory *memory
	stats  *counters
	res    *Result
	failed error // a server of several whose addresses could not be had
}

// resolve finds the targets of a query. Its error is a *noneError when DNS says
// that there are none; the result says then until when. With another error the
// servers said nothing of use.
func resolve(ctx context.Context, q Query, own []netip.Addr, m *memory) (*Result, error) {
	r := &run{q: q, own: own, memory: m, stats: m.stats, res: &Result{}}
	err := r.walk(ctx)
	r.res.finish()
	if err == nil && len(r.res.Targets) == 0 {
		if r.failed != nil {
			err = r.failed
		} else {
			err = none("%s", strings.Join(r.res.Left, "; "))
		}
	}
	return r.res, err
}

func (r *run) walk(ctx context.Context) error {
	host := strings.TrimSuffix(r.q.Host, ".")
	if a, err := netip.ParseAddr(host); err == nil {
		t := r.q.plain()
		r.one(0, []Target{{Addr: netip.AddrPortFrom(a, r.port(t)), Transport: t}})
		return nil
	}
	if r.q.Port != 0 {
		return r.host(ctx, host, r.q.plain())
	}
	if r.q.Transport != "" {
		return r.srvOrHost(ctx, host, []string{r.q.Transport})
	}
	return r.naptr(ctx, host)
}

// naptr asks for NAPTR records (RFC 3263 4.1), and does without where there are none
// about SIP.
func (r *run) naptr(ctx context.Context, host string) error {
	recs, err := r.get(ctx, host, dns.TypeNAPTR)
	if err != nil {
		return fmt.Errorf("%w: with a transport in the URI NAPTR records are not asked for", err)
	}
	if recs.noName {
		return noName(host)
	}
	var usable []*dns.NAPTR
	var offered []string
	for _, rr := range recs.rrs {
		n, ok := rr.(*dns.NAPTR)
		switch {
		case !ok || !strings.Contains(strings.ToUpper(n.Service), "+D2"):
			continue // about something else, such as ENUM
		case !r.q.usable(transportOf(n.Service)):
			offered = append(offered, n.Service)
			continue
		}
		flag := strings.ToUpper(n.Flags)
		if n.Regexp != "" || (flag != "S" && flag != "A") || dns.Fqdn(n.Replacement) == "." {
			// RFC 3263 4.1 knows replacements alone, and what they lead to by flag.
			r.leave("NAPTR %s of %s has flags %q, expression %q and replacement %q: only the flags \"s\" and \"a\" with a replacement work", n.Service, host, n.Flags, n.Regexp, n.Replacement)
			offered = append(offered, n.Service)
			continue
		}
		// Records come by order and preference. Those of a later order are not for
		// who can use one of an earlier (RFC 3403 4.1).
		if len(usable) > 0 && n.Order != usable[0].Order {
			break
		}
		usable = append(usable, n)
	}
	switch {
	case len(usable) > 0:
		return r.replacements(ctx, host, usable)
	case len(offered) > 0:
		return none("%s offers %s by NAPTR records, and its listener speaks %s: name a listener over what is offered", host, strings.Join(offered, ", "), strings.Join(r.q.Transports, ", "))
	}
	// RFC 3263 4.1: one SRV question for each transport the client supports.
	var transports []string
	for _, t := range r.q.Transports {
		if r.q.usable(t) {
			transports = append(transports, t)
		}
	}
	return r.srvOrHost(ctx, host, transports)
}

// replacements follows the NAPTR records that can be used, in their order.
func (r *run) replacements(ctx context.Context, host string, usable []*dns.NAPTR) error {
	var errs []error
	some := false
	for _, n := range usable {
		t, to := transportOf(n.Service), strings.TrimSuffix(n.Replacement, ".")
		if strings.EqualFold(n.Flags, "a") {
			some = true
			errs = append(errs, r.host(ctx, to, t))
			continue
		}
		found, err := r.srv(ctx, to, t)
		some = some || found
		errs = append(errs, err)
	}
	if !some && errors.Join(errs...) == nil {
		// RFC 3263 4.2: without SRV records the domain's own addresses are meant.
		return r.host(ctx, host, transportOf(usable[0].Service))
	}
	return r.worst(errs)
}

// srvOrHost asks for the SRV records of transports, and for the addresses of the
// name itself when there are none (RFC 3263 4.2).
func (r *run) srvOrHost(ctx context.Context, host string, transports []string) error {
	var errs []error
	some := false
	for _, t := range transports {
		found, err := r.srv(ctx, service(t, host), t)
		some = some || found
		errs = append(errs, err)
	}
	if !some && errors.Join(errs...) == nil {
		return r.host(ctx, host, r.q.plain())
	}
	return r.worst(errs)
}

// worst is the error of several ways, when none of them led anywhere: a failure
// rather than an answer, as it may be over soon.
func (r *run) worst(errs []error) error {
	var out error
	for _, err := range errs {
		var no *noneError
		switch {
		case err == nil:
		case !errors.As(err, &no):
			r.fail(err)
			out = err
		default:
			r.leave("%s", no.why)
			if out == nil {
				out = err
			}
		}
	}
	if len(r.res.Targets) > 0 {
		return nil
	}
	return out
}

// srv follows the SRV records of a name. It reports whether there are any.
func (r *run) srv(ctx context.Context, name, transport string) (bool, error) {
	recs, err := r.get(ctx, name, dns.TypeSRV)
	if err != nil {
		return false, err
	}
	var all []*dns.SRV
	for _, rr := range recs.rrs {
		if s, ok := rr.(*dns.SRV); ok {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return false, nil
	}
	if len(all) == 1 && dns.Fqdn(all[0].Target) == "." {
		return true, none("%s says by its SRV record that there is no such service", name)
	}
	var errs []error
	for i, s := range all {
		if i == 0 || s.Priority != all[i-1].Priority {
			r.res.newGroup()
		}
		to := strings.ToLower(strings.TrimSuffix(s.Target, "."))
		switch {
		case to == "":
			r.leave("an SRV record of %s beside others has the target \".\"", name)
			continue
		case s.Port == 0:
			r.leave("the SRV record of %s for %s has port 0", name, to)
			continue
		case len(r.res.Targets) == MaxTargets:
			r.many(name, 1)
			continue
		}
		addrs, err := r.addresses(ctx, to)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.one(s.Weight, targets(addrs, to, s.Port, transport))
	}
	return true, r.worst(errs)
}

// host uses the addresses of a name.
func (r *run) host(ctx context.Context, name, transport string) error {
	addrs, err := r.addresses(ctx, name)
	if err != nil {
		return err
	}
	r.res.newGroup()
	r.one(0, targets(addrs, name, r.port(transport), transport))
	return nil
}

func targets(addrs []netip.Addr, server string, port uint16, transport string) []Target {
	out := make([]Target, len(addrs))
	for i, a := range addrs {
		out[i] = Target{Addr: netip.AddrPortFrom(a, port), Transport: transport, Server: server}
	}
	return out
}

// addresses are those of a name in the families that can be used, IPv6 first.
func (r *run) addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	var out []netip.Addr
	var failed error
	missing := false
	for _, f := range []struct {
		use  bool
		kind uint16
	}{{r.q.IPv6, dns.TypeAAAA}, {r.q.IPv4, dns.TypeA}} {
		if !f.use {
			continue
		}
		recs, err := r.get(ctx, name, f.kind)
		if err != nil {
			failed = err
			continue
		}
		missing = missing || recs.noName
		for _, rr := range recs.rrs {
			if a, ok := address(rr); ok {
				out = append(out, a)
			} else {
				r.leave("%q is no address", rr.String())
			}
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case failed != nil:
		return nil, failed
	case missing:
		return nil, noName(name)
	}
	return nil, none("%s has no address of the family of its listener (%s)", name, r.families())
}

// address is the address of a record. An IPv4 address in an AAAA record is none: it
// would slip past what is decided by family.
func address(rr dns.RR) (netip.Addr, bool) {
	var a netip.Addr
	switch x := rr.(type) {
	case *dns.A:
		a, _ = netip.AddrFromSlice(x.A)
		a = a.Unmap() // miekg/dns keeps A in either length
	case *dns.AAAA:
		if a, _ = netip.AddrFromSlice(x.AAAA); a.Is4() || a.Is4In6() {
			return netip.Addr{}, false
		}
	}
	return a, a.IsValid()
}

func (r *run) families() string {
	switch {
	case r.q.IPv4 && r.q.IPv6:
		return "IPv6 or IPv4"
	case r.q.IPv4:
		return "IPv4"
	}
	return "IPv6"
}

// one adds the targets of one server that may be sent to.
func (r *run) one(weight uint16, all []Target) {
	if len(r.res.groups) == 0 {
		r.res.newGroup()
	}
	allowed := all[:0]
	for _, t := range all {
		if why := r.refused(t.Addr.Addr()); why != "" {
			r.stats.refused.Add(1)
			r.leave("%s", why)
			continue
		}
		allowed = append(allowed, t)
	}
	if n := r.res.add(weight, allowed); n > 0 {
		r.many(r.q.Host, n)
	}
}

// refused says why an address is not to be used; empty: it may be.
func (r *run) refused(a netip.Addr) string {
	switch {
	case a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Sprintf("%s is no address of a host", a)
	case slices.Contains(r.own, a):
		return fmt.Sprintf("%s is an address of this appliance: calls would run in circles", a)
	case r.q.Within != nil && !slices.ContainsFunc(r.q.Within, func(p netip.Prefix) bool { return p.Contains(a) }):
		return fmt.Sprintf("%s is not let in at its listener, which would not get its replies: add its prefix to the listener's sources", a)
	}
	return ""
}

func (r *run) port(transport string) uint16 {
	if r.q.Port != 0 {
		return r.q.Port
	}
	return defaultPort(transport)
}

func (r *run) get(ctx context.Context, name string, kind uint16) (records, error) {
	recs, err := r.memory.get(ctx, name, kind)
	if !recs.expires.IsZero() {
		r.res.until(recs)
	}
	return recs, err
}

func (r *run) many(name string, n int) {
	r.stats.cut.Add(uint64(n))
	r.leave("%s leads to more than %d targets", name, MaxTargets)
}

// leave notes something that is left out, once.
func (r *run) leave(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(r.res.Left, s) {
		r.res.Left = append(r.res.Left, s)
	}
}

// fail notes a failure beside which there may be other targets.
func (r *run) fail(err error) {
	r.failed = err
	r.leave("%s", err)
	r.res.until(records{expires: time.Now().Add(firstRetry)})
}

func noName(name string) error {
	return none("there is no name %s: correct the destination's uri, or have the name added to its zone", name)
}
