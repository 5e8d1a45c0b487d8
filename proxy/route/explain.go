package route

import "net/netip"

// Explanation is what becomes of a call, for people.
type Explanation struct {
	Carrier string `json:"carrier,omitempty"` // that the source is of
	Route   string `json:"route,omitempty"`   // empty: none matches
	Cache   string `json:"cache,omitempty"`   // that the route looks in
	// Prefix is the longest of the cache's, or the route's own.
	Prefix string   `json:"prefix,omitempty"`
	Sets   []string `json:"sets,omitempty"`
	Number string   `json:"number"` // the user part the call goes on with
}

// Explain does what Choose does, and says why.
func (r *Router) Explain(listener int, from netip.Addr, user string) Explanation {
	out := Explanation{Carrier: r.of.Name(r.of.Of(from)), Number: user}
	m, ok := r.match(listener, from, []byte(user))
	if !ok {
		return out
	}
	out.Route, out.Prefix = m.route.name, m.route.prefix
	for _, s := range m.choice.Sets {
		out.Sets = append(out.Sets, r.names[s])
	}
	if to, ok := r.Rewrite(nil, m.choice.Rule, []byte(user)); ok {
		out.Number = string(to)
	}
	for name, p := range r.caches {
		if p == m.route.cache {
			var plain [MaxPrefix]byte
			out.Cache, out.Prefix = name, string(unescape(plain[:], []byte(out.Number))[:m.prefix])
		}
	}
	return out
}
