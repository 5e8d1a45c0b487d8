package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// Values of RFC 2474, 2597 and 3246, as tables of the type of service show them.
func TestDSCPNames(t *testing.T) {
	for name, want := range map[string]int{
		"cs0": 0, "cs3": 96, "cs5": 160, "cs7": 224, "ef": 184,
		"af11": 40, "af12": 48, "af13": 56, "af21": 72, "af31": 104, "af41": 136, "af43": 152,
	} {
		if got := dscpNames[name]; got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	if len(dscpNames) != 8+12+1 {
		t.Errorf("%d names", len(dscpNames))
	}
}

func TestQueries(t *testing.T) {
	for _, c := range []struct{ query, want string }{ // want: part of what is said; empty: nothing is
		{"select prefix, carrier from routes", ""},
		{"SELECT prefix, carrier FROM routes;", ""},
		{"  -- all of them\nselect prefix, carrier from routes", ""},
		{"select /* two, three */ prefix, carrier from routes", ""},
		{"select prefix, coalesce(carrier, 'none, yet') from routes", ""},
		{"select 'it''s', carrier from routes", ""},
		{`select "update", "delete" from "insert"`, ""},
		{"select prefix::text, carrier from routes", ""},
		{"select distinct on (prefix, site) prefix, carrier from routes", ""},
		{"select 2 * 3, count(*) from routes", ""},
		{"select prefix, carrier from routes union all select prefix, carrier, 1 from more", ""}, // the server says so
		{"with r as (select * from routes) select prefix, carrier from r", ""},
		{"with r(a, b) as (values (1, 2)) table r", ""},
		{"select prefix, updated from routes", ""},

		{"", "is empty"},
		{";", "is empty"},
		{"-- nothing", "is empty"},
		{"insert into routes values (1, 2)", `begins with "insert"`},
		{"(select prefix, carrier from routes)", ""},
		{"select prefix, carrier into copy from routes", `"into"`},
		{"select prefix, carrier from routes for update", `"update"`},
		{"select 1, 2; select 3, 4", "several statements"},
		{"select prefix, carrier from routes where a = $12", "$12"},
		{"select prefix, carrier from routes where a = @a", "@a"},
		{"select prefix, carrier from routes where a = :a", ":a"},
		{"select prefix, carrier from routes where a = ?1", "?1"},
		{"select prefix from routes", "one column"},
		{"select a, b, c", "3 columns"},
		{"select *", "name its columns"},
		{"select distinct * from routes", "name its columns"},
		{"select prefix, r.* from r", "name its columns"},
		{"select 'a", "quote"},
		{`select "a`, "quote"},
		{"select a, b /* from", "comment"},
	} {
		got := checkQuery(c.query)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s\ngot  %q\nwant %q", c.query, got, c.want)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, q := range []string{"select a, b from c", "with x as (select 1) select '", "-- a\n/* b */ \"c\" $1 ::d ?", ")(*,*)("} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		words, unclosed := sqlWords(q)
		if unclosed != "" && words != nil {
			t.Fatalf("%d words of what is not closed", len(words))
		}
		for _, w := range words {
			if w.text == "" || w.depth < 0 {
				t.Fatalf("word %+v", w)
			}
		}
		// What is put in brackets or behind a comment changes no verdict on writing.
		if why := checkQuery(q); strings.Contains(why, "reads alone") != strings.Contains(checkQuery(q+" -- end"), "reads alone") {
			t.Fatalf("a comment changes %q", why)
		}
	})
}

func TestCanonicalHeaders(t *testing.T) {
	for given, want := range map[string]string{
		"user-agent": "User-Agent", "USER-AGENT": "User-Agent", "call-id": "Call-ID", "CSEQ": "CSeq", "min-se": "Min-SE",
		"www-authenticate": "WWW-Authenticate", "k": "Supported", "X": "Session-Expires", "x-trace-id": "X-Trace-Id", "x-*": "X-*",
	} {
		if got, _ := canonicalHeader(given); got != want {
			t.Errorf("%s is %s, want %s", given, got, want)
		}
	}
}

// What calls need is in no list of what may go, and every reason is a sentence
// that a diagnostic can go on with.
func TestProtectedHeaders(t *testing.T) {
	for _, needed := range []string{
		"Via", "From", "To", "Call-ID", "CSeq", "Contact", "Route", "Record-Route", "Max-Forwards", "Content-Type", "Content-Length",
		"Supported", "Require", "Proxy-Require", "Session-Expires", "Min-SE", "RSeq", "RAck", "Event",
		"Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "P-Asserted-Identity", "Privacy",
	} {
		if !slices.Contains(ProtectedHeaders(), needed) {
			t.Errorf("%s may be removed", needed)
		}
	}
	for name, why := range protectedHeaders {
		if slices.Contains(removableHeaders, name) {
			t.Errorf("%s may be removed and is protected", name)
		}
		if name, _ := canonicalHeader(strings.ToLower(name)); protectedHeaders[name] == "" {
			t.Errorf("%s in lower case is not protected", name)
		}
		if !strings.Contains(why, "(RFC ") || strings.HasSuffix(why, ".") {
			t.Errorf("%s: %q", name, why)
		}
	}
	for short, full := range compactForms {
		if name, _ := canonicalHeader(short); name != full {
			t.Errorf("%s is %s, want %s", short, name, full)
		}
	}
}

// The default of session_expires keeps to what is stated.
func TestSessionDefaults(t *testing.T) {
	base := strings.Replace(described, "session {\n}\n", "", 1)
	base = strings.Replace(base, "transaction {\n}\n", "", 1)
	for _, c := range []struct {
		minSE, lifetime string
		want            time.Duration
	}{
		{"90s", "30m", 30 * time.Minute},
		{"45m", "2h", 45 * time.Minute},
		{"90s", "10m", 10 * time.Minute},
		{"90s", "24h", 30 * time.Minute},
	} {
		text := base + fmt.Sprintf("transaction {\n  call_lifetime = %q\n}\nsession {\n  min_se = %q\n}\n", c.lifetime, c.minSE)
		s := loadText(t, text)
		if s.Session.Expires != c.want || !s.Session.Insert || !s.Session.Enabled {
			t.Errorf("min_se %s, call_lifetime %s: %+v, want %s", c.minSE, c.lifetime, s.Session, c.want)
		}
	}
	if s := loadText(t, base); s.Session.Enabled || !s.Messages.Fallback {
		t.Errorf("without blocks: %+v %+v", s.Session, s.Messages)
	}
}

// loadText loads described, changed: with what it needs beside it.
func loadText(t *testing.T, text string) *Spec {
	t.Helper()
	fsys := memFS(t, "testdata/good/services")
	fsys["main.hcl"] = &fstest.MapFile{Data: []byte(text)}
	fsys["carriers.csv"] = &fstest.MapFile{Data: []byte("+49,core\n")}
	s, diags, files := LoadFS(fsys, "", Options{})
	if diags.HasErrors() {
		t.Fatalf("%s", render(t, files, diags))
	}
	return s
}

// Shares are parts of the calls, whatever carries them: listeners over TCP take
// part in the split like any other, and count against MaxListeners.
func TestStreamListenersShareCalls(t *testing.T) {
	s := &Spec{Listeners: []*Listener{
		{Name: "udp", Transport: TransportUDP, Share: 0.5},
		{Name: "tcp", Transport: TransportTCP},
		{Name: "wss", Transport: TransportWSS},
	}}
	d := newDecoder(newSource(nil, ""), Options{})
	s.Listeners[0].ShareRange.Filename = "main.hcl" // it is stated
	d.shareOut(s)
	if s.Listeners[1].Share != 0.25 || s.Listeners[2].Share != 0.25 {
		t.Errorf("shares %v and %v", s.Listeners[1].Share, s.Listeners[2].Share)
	}
	for range MaxListeners {
		s.Listeners = append(s.Listeners, &Listener{Transport: TransportTLS})
	}
	d.checkBounds(s)
	if !d.diags.HasErrors() {
		t.Error("listeners over TLS are not counted")
	}
}

func TestCover(t *testing.T) {
	var list []netip.Prefix
	for _, p := range []string{"10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32"} {
		list = append(list, netip.MustParsePrefix(p))
	}
	c := cover(list)
	if len(c) != 4 {
		t.Errorf("%v", c)
	}
	for text, want := range map[string]bool{
		"10.200.0.0/16": true, "10.1.2.3/32": true, "0.0.0.0/0": true, "192.0.2.0/24": true, "192.0.3.0/24": false, "192.0.1.0/24": false,
		"11.0.0.0/8": false, "2001:db8:5::/48": true, "2001:db9::/32": false, "::/0": true, "9.0.0.0/8": false,
	} {
		if got := c.overlaps(netip.MustParsePrefix(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if cover(nil).overlaps(list[0]) {
		t.Error("an empty set has something in common")
	}
}

// callsHold checks what the package promises of listeners, dispatchers, caches,
// limits, state, sessions and messages.
func callsHold(t *testing.T, s *Spec) {
	t.Helper()
	fail := func(what string, v any) { t.Helper(); t.Errorf("%s: %+v", what, v) }
	for _, l := range s.Listeners {
		if l.Stream() != (l.Conns != nil) || l.Secure() != (l.TLS != nil) || l.TOS < 0 || l.TOS > 255 || l.Port == 0 || l.Share <= 0 {
			fail("listener", l)
		}
		if l.TLS != nil && (l.TLS.Certificate == "" || l.TLS.Key == "" || l.TLS.MinVersion < "1.2") {
			fail("tls", l.TLS)
		}
		if c := l.Conns; c != nil && (c.PerSource > c.Max || c.PerSource < 1 || c.Idle <= 0 || c.Handshake <= 0) {
			fail("connections", c)
		}
	}
	next := map[string]string{}
	for _, set := range s.Dispatchers {
		next[set.Name] = set.Next
		for _, dst := range set.Destinations {
			if dst.Address.IsValid() == (dst.Host != "") || dst.Weight < 1 || dst.Transport == "" || !slices.Contains(states, dst.State) {
				fail("destination", dst)
			}
		}
	}
	for name := range next {
		steps := 0
		for n := name; n != ""; n = next[n] {
			if steps++; steps > MaxRouteSets {
				fail("chain", name)
				break
			}
		}
	}
	for _, c := range s.Caches {
		if (c.Source == SourceFile) != (c.Database == "") || (c.Database == "") != (c.Query == "") || c.Rows < 1 {
			fail("cache", c)
		}
		if c.OnFail == OnFailBaked && !c.Baked {
			fail("nothing baked", c)
		}
	}
	for _, x := range slices.Concat(s.Limits.Listeners, s.Limits.Sources, s.Limits.Carriers) {
		if x.CPS == 0 && x.ConcurrentCalls == 0 && x.MessageSize == 0 || (x.CPS > 0) != (x.Burst > 0) {
			fail("limits", x)
		}
	}
	if p := s.State.Persistence; p != nil && ((p.To == PersistDatabase) != (p.Database != "") || (p.Mode == PersistDelayed) != (p.Interval > 0)) {
		fail("persistence", p)
	}
	if x := s.Session; x.Enabled && (x.MinSE < leastSession || x.Expires < x.MinSE || x.Expires > s.Transaction.CallLifetime) {
		fail("session", x)
	}
	m := s.Messages
	if m.UDPLimit != 0 && m.UDPLimit < leastUDPLimit || len(m.RemoveHeaders) != len(m.RemoveRanges) || len(m.Codecs) != len(m.CodecRanges) {
		fail("messages", m)
	}
	for _, h := range m.RemoveHeaders {
		if protectedHeaders[h] != "" {
			fail("protected header", h)
		}
	}
}

// Whatever an attribute is set to, there is a Spec that holds its promises, or an
// error, and never both. null is as if the attribute were not there.
func TestCallsTakeAnyValue(t *testing.T) {
	values := []string{
		"true", "0", "1e400", `"x"`, `"0s"`, `"1h"`, `"sips:x.example.net"`, `"core"`,
		"[]", "[null]", `["x"]`, `["198.51.100.0/24"]`, "{ x = null }",
	}
	tried := 0
	var walk func(b *blockSchema, path string)
	walk = func(b *blockSchema, path string) {
		for _, a := range b.attrs {
			p := join(path, a.name)
			for _, v := range slices.Concat(values, []string{a.example}, quoted(descriptions[p].choices)) {
				tried++
				s, diags := loadWith(t, p, v)
				if (s == nil) != diags.HasErrors() {
					t.Errorf("%s = %s: a Spec beside errors, or neither: %v", p, v, diags)
				}
				if s != nil {
					callsHold(t, s)
				}
			}
			null, _ := loadWith(t, p, "null")
			without, _ := loadWith(t, p, "")
			if (null == nil) != (without == nil) {
				t.Errorf("%s: null and nothing differ", p)
			} else if null != nil {
				null.Digest, without.Digest, null.NotBuilt, without.NotBuilt, null.Sources, without.Sources = "", "", nil, nil, nil, nil
				if x, y := dump(t, null), dump(t, without); !bytes.Equal(x, y) {
					t.Errorf("%s: null and nothing differ\n%s\n%s", p, x, y)
				}
			}
		}
		for i := range b.blocks {
			walk(&b.blocks[i], join(path, b.blocks[i].typ))
		}
	}
	for i := range rootSchema.blocks {
		switch b := &rootSchema.blocks[i]; b.typ {
		case "workload", "listener", "dispatcher", "route", "cache", "limits", "transaction", "state", "session", "messages":
			walk(b, b.typ)
		}
	}
	if tried < 1000 {
		t.Errorf("%d values tried", tried)
	}
}
