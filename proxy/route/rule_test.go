package route

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

var patterns = []string{
	`\+49(\d*)`, `00([1-9]\d+)`, `0([1-9]\d*)`, `(a|ab)(c|bcd)(d*)`, `(?:x|(y))+z?`, `(\d{2,4})(\d*)`, `(\d{2,4}?)(\d*)`, `.*`, ``, `(|a)*`, `(a*)*b`, `^1\b2?$`,
	`[^0-9]+`, `(?i)alice\.(b+)`, `(.)(.)(.)(.)(.)(.)(.)(.)(.)`, `a+?(a*)`, `\x2b1`,
}

// A pattern gives what package regexp gives for the whole text.
func TestPatternIsRegexp(t *testing.T) {
	texts := []string{"", "+49", "+4930123", "0049301", "030", "abcd", "abcdd", "xyxz", "yx", "12", "12345", "1", "ALICE.bb", "alice.", "aaab", "aaaa", "123456789", strings.Repeat("1", maxNumber)}
	for _, p := range patterns {
		for _, text := range texts {
			same(t, p, text)
		}
	}
}

func same(t *testing.T, expression, text string) {
	t.Helper()
	c, err := compilePattern(expression)
	if err != nil {
		return
	}
	want := regexp.MustCompile(`^(?:` + expression + `)$`).FindStringSubmatchIndex(text)
	if want != nil && (want[0] != 0 || want[1] != len(text)) { // (?m) within the expression
		return
	}
	var s search
	ok := c.match(&s, []byte(text))
	if ok != (want != nil) {
		t.Errorf("%q on %q: %t, want %v", expression, text, ok, want)
		return
	}
	if got := s.at[2 : 2*c.groups+2]; ok && fmt.Sprint(got) != fmt.Sprint(want[2:]) {
		t.Errorf("%q on %q: %v, want %v", expression, text, got, want[2:])
	}
}

func FuzzPattern(f *testing.F) {
	for _, p := range patterns {
		f.Add(p, "+49301234")
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		for _, c := range []byte(text) {
			if c >= 0x80 || c == '\n' { // a number is bytes
				return
			}
		}
		if len(text) > maxNumber || strings.Contains(expression, "(?") {
			return
		}
		if _, err := regexp.Compile(`^(?:` + expression + `)$`); err != nil {
			return
		}
		same(t, expression, text)
	})
}

func TestRules(t *testing.T) {
	const plus = `$1`
	for _, tt := range []struct {
		route runtime.Route
		user  string
		want  string // "": it does not match
	}{
		{runtime.Route{Strip: 1, Add: "+49"}, "0301234", "+49301234"},
		{runtime.Route{Strip: 1, Add: "+49"}, "0301234;npdi;rn=+49", "+49301234;npdi;rn=+49"},
		{runtime.Route{Strip: 3}, "123", ""}, // nothing would be left
		{runtime.Route{Strip: 4}, "123", ""},
		{runtime.Route{Strip: 3, Add: "9"}, "123", "9"},
		{runtime.Route{Add: "9"}, "123", "9123"},
		{runtime.Route{Add: "9"}, "", ""},
		{runtime.Route{Add: "9"}, ";npdi", ""},
		{runtime.Route{Strip: 1}, "%2B49", "49"},
		{runtime.Route{Strip: 1}, "%2B49%23;a=%20", "49%23;a=%20"},
		{runtime.Route{Add: "9"}, "urn:service:sos", ""},
		{runtime.Route{Pattern: `00([1-9]\d+)`, Rewrite: "+" + plus}, "0049301", "+49301"},
		{runtime.Route{Pattern: `00([1-9]\d+)`, Rewrite: "+" + plus}, "0301", ""},
		{runtime.Route{Pattern: `00([1-9]\d+)`, Strip: 2, Add: "+"}, "0049301;x", "+49301;x"},
		{runtime.Route{Pattern: `(\d)(\d)?(\d)?`, Rewrite: "$3$2$1$0$$"}, "12", "2112$"},
		{runtime.Route{Pattern: `(\d*)x`, Rewrite: plus}, "x", ""},
		{runtime.Route{Pattern: `\d+`}, "123", "123"},
		{runtime.Route{Pattern: `\d+`}, "12a", ""},
		{runtime.Route{Pattern: `.+`}, strings.Repeat("1", maxNumber+1), ""},
		{runtime.Route{Add: strings.Repeat("9", 10)}, strings.Repeat("1", MaxPrefix-10), strings.Repeat("9", 10) + strings.Repeat("1", MaxPrefix-10)},
		{runtime.Route{Add: strings.Repeat("9", 11)}, strings.Repeat("1", MaxPrefix-10), ""},
		{runtime.Route{Strip: 1}, strings.Repeat("1", MaxPrefix+1), ""},
	} {
		cfg := config()
		in := tt.route
		in.Name, in.To = "r", []string{"core"}
		cfg.Routes = []runtime.Route{in}
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		to, ok := r.Choose(0, netip.Addr{}, []byte(tt.user))
		got := ""
		if ok {
			got = tt.user
			if b, changed := r.Rewrite([]byte("x"), to.Rule, []byte(tt.user)); changed {
				got = string(b[1:])
			}
		}
		if got != tt.want {
			t.Errorf("%+v with %q: %q, want %q", tt.route, tt.user, got, tt.want)
		}
		buf := make([]byte, 0, 3*MaxPrefix)
		user := []byte(tt.user)
		if n := testing.AllocsPerRun(10, func() {
			to, _ := r.Choose(0, netip.Addr{}, user)
			r.Rewrite(buf, to.Rule, user)
		}); n != 0 {
			t.Errorf("%+v with %q: %v allocations", tt.route, tt.user, n)
		}
	}
}

func TestRulesRefused(t *testing.T) {
	for _, tt := range []struct {
		route runtime.Route
		want  string
	}{
		{runtime.Route{Pattern: "("}, "is no regular expression"},
		{runtime.Route{Pattern: "()()()()()()()()()()"}, "has 10 groups, at most 9 work"},
		{runtime.Route{Pattern: `[0-9]{1,500}`}, "is too long"},
		{runtime.Route{Rewrite: "$1"}, "rewrite without a pattern"},
		{runtime.Route{Pattern: "(.)", Rewrite: "$2"}, "takes group 2, and the pattern has 1"},
		{runtime.Route{Pattern: "(.)", Rewrite: "$x"}, "has a $ without a group"},
		{runtime.Route{Pattern: "(.)", Rewrite: "1$"}, "has a $ without a group"},
		{runtime.Route{Pattern: "(.)", Rewrite: "1", Add: "2"}, "keep one"},
		{runtime.Route{Strip: -1}, "strip is -1"},
		{runtime.Route{Carriers: []string{"nobody"}}, `it is for carrier "nobody", which does not exist`},
	} {
		cfg := config()
		in := tt.route
		in.Name, in.To = "r", []string{"core"}
		cfg.Routes = []runtime.Route{in}
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), `route "r": `) {
			t.Errorf("%+v: %v, want %q", tt.route, err, tt.want)
		}
	}
	cfg := config()
	for i := range maxRules + 1 {
		cfg.Routes = append(cfg.Routes, runtime.Route{Name: fmt.Sprint(i), Strip: 1, To: []string{"core"}})
	}
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "at most 255 work") {
		t.Errorf("%v", err)
	}
}

// A route for carriers takes calls from their addresses alone, by whatever listener, and
// follows a swap; a cache is searched for the number as changed.
func TestCarriers(t *testing.T) {
	cfg := config()
	prefix := netip.MustParsePrefix
	cfg.Limits.Carriers = []runtime.ScopedLimits{
		{Name: "alpha", Prefixes: []netip.Prefix{prefix("198.51.100.0/24"), prefix("2001:db8::/32")}},
		{Name: "beta", Prefixes: []netip.Prefix{prefix("198.51.100.128/25"), prefix("::ffff:203.0.113.0/120")}},
	}
	cfg.Routes = []runtime.Route{
		{Name: "a", Carriers: []string{"alpha"}, To: []string{"core"}},
		{Name: "b", Carriers: []string{"beta"}, Strip: 2, Add: "+", Cache: "prefixes"},
		{Name: "rest", From: []string{"b"}, To: []string{"far"}},
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Swap("prefixes", table(t, map[string]int{"+4930": 1, "%": 0})); err != nil {
		t.Fatal(err)
	}
	check := func(listener int, from, user, want string) {
		t.Helper()
		var a netip.Addr
		if from != "" {
			a = netip.MustParseAddr(from)
		}
		e := r.Explain(listener, a, user)
		got := fmt.Sprintf("%s/%s %s%s %v %s", e.Carrier, e.Route, e.Cache, e.Prefix, e.Sets, e.Number)
		if got != want {
			t.Errorf("%d %s %s: %s, want %s", listener, from, user, got, want)
		}
		to, ok := r.Choose(listener, a, []byte(user))
		if ok != (e.Route != "") || len(to.Sets) != len(e.Sets) {
			t.Errorf("%d %s %s: chosen %v, explained %+v", listener, from, user, to, e)
		}
	}
	check(0, "198.51.100.1", "0049", "alpha/a  [core] 0049")
	check(1, "2001:db8::1", "0049", "alpha/a  [core] 0049")
	check(0, "198.51.100.129", "00493012", "beta/b prefixes+4930 [overflow] +493012")
	check(0, "203.0.113.9", "00493012;x", "beta/b prefixes+4930 [overflow] +493012;x")
	check(0, "::ffff:203.0.113.9", "00493012", "beta/b prefixes+4930 [overflow] +493012")
	check(0, "203.0.113.9", "0048", "beta/  [] 0048")
	check(1, "192.0.2.1", "0048", "/rest  [far] 0048")
	check(1, "", "0048", "/rest  [far] 0048")
	if n := testing.AllocsPerRun(100, func() { r.Choose(0, netip.MustParseAddr("203.0.113.9"), []byte("00493012")) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if err := r.Carriers().Swap([][]netip.Prefix{{prefix("192.0.2.0/24")}, nil}); err != nil {
		t.Fatal(err)
	}
	check(1, "192.0.2.1", "0048", "alpha/a  [core] 0048")
	check(0, "203.0.113.9", "00493012", "/  [] 00493012")
	both := [][]netip.Prefix{{prefix("192.0.2.0/24")}, {prefix("192.0.2.7/24")}}
	if err := r.Carriers().Swap(both); err == nil || !strings.Contains(err.Error(), `prefix 192.0.2.0/24 is of carrier "alpha" and of carrier "beta"`) {
		t.Errorf("%v", err)
	}
	check(1, "192.0.2.1", "0048", "alpha/a  [core] 0048")
	if r.Carriers().Swap(nil) == nil {
		t.Error("prefixes of other carriers were taken")
	}
}
