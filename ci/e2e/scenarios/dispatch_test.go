package scenarios

import (
	"fmt"
	"strings"
	"time"

	"trunkline/appliance/runtime"
)

// sets are dispatcher sets of b, c and d, one for each algorithm, each behind the route
// for the numbers that begin with its own. change is made to the destinations.
var sets = []struct {
	number, algorithm string
	change            func(b, c, d *runtime.Destination)
}{
	{"10", "round-robin", nil},
	{"11", "weight", func(b, c, d *runtime.Destination) { b.Weight, c.Weight, d.Weight = 50, 30, 20 }},
	{"12", "relative-weight", func(b, c, d *runtime.Destination) {
		b.Weight, c.Weight, d.Weight, c.State = 50, 30, 25, "disabled"
	}},
	{"13", "priority", func(b, c, d *runtime.Destination) { b.Priority = 7 }},
	{"14", "random", nil},
	{"15", "call-load", func(b, c, d *runtime.Destination) { b.MaxCalls, c.MaxCalls, d.MaxCalls = 4, 2, 4 }},
	{"16", "first", func(b, c, d *runtime.Destination) { b.State = "disabled" }},
	{"17", "hash-callid", nil},
	{"18", "hash-from", nil},
	{"19", "hash-ruri", nil},
	{"20", "hash-user", nil},
	{"21", "hash-to", nil},
	{"22", "latency", nil},
	{"23", "first", func(b, c, d *runtime.Destination) { b.MaxCalls, c.MaxCPS = 1, 1 }},
}

// dispatchSets puts the sets in the place of the only one of the spec.
func dispatchSets(a *runtime.Appliance) {
	proto := a.Dispatchers[0]
	route := a.Routes[0]
	a.Dispatchers, a.Routes = nil, nil
	for i, s := range sets {
		d := proto
		d.Name, d.ID, d.Algorithm = "set"+s.number, i+1, s.algorithm
		d.Destinations = append([]runtime.Destination(nil), proto.Destinations...)
		third := d.Destinations[1]
		third.Name, third.URI = "d", strings.ReplaceAll(third.URI, ".21:", ".22:")
		third.Address = hostOf(third.Address, 22)
		d.Destinations = append(d.Destinations, third)
		if s.change != nil {
			s.change(&d.Destinations[0], &d.Destinations[1], &d.Destinations[2])
		}
		r := route
		r.Name, r.Prefix, r.To = "to"+s.number, s.number, []string{d.Name}
		a.Dispatchers, a.Routes = append(a.Dispatchers, d), append(a.Routes, r)
	}
	for i := range a.Listeners {
		if l := &a.Listeners[i]; l.Name == "core" {
			l.Peers = append(l.Peers, l.Sources...)
		}
	}
}

// messages sends n requests for a number and answers them; it returns who got each, as
// "bcd". change may make them differ.
func (s *script) messages(number string, n int, change func(i int) string) string {
	s.t.Helper()
	got := ""
	for range n {
		i := len(s.calls) + 1
		extra := ""
		if change != nil {
			extra = change(i)
		}
		s.run(fmt.Sprintf("#%d a MESSAGE uri=sip:%s@sbc.example %s", i, number, extra))
		to := s.who("b", "c", "d")
		s.run(fmt.Sprintf("#%d %s < MESSAGE from a\n#%d %s 200 MESSAGE -> a", i, to, i, to))
		got += to
	}
	return got
}

// who waits until one of the parties has something that was not there before.
func (s *script) who(names ...string) string {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, n := range names {
			p := s.party(n)
			p.mu.Lock()
			fresh := false
			for _, a := range p.inbox {
				fresh = fresh || !p.seen[a.msg]
			}
			p.mu.Unlock()
			if fresh {
				return n
			}
		}
	}
	s.fail("none of %v got anything", names)
	return ""
}

// goes checks who gets requests in turn.
func goes(number, want string) func(*script) {
	return func(s *script) {
		if got := s.messages(number, len(want), nil); got != want {
			s.t.Errorf("they went to %s, want %s", got, want)
		}
	}
}

// parts checks how many of them each gets, to within two: the parts are spread evenly
// over any run of calls, and other scenarios may have taken from the beginning.
func parts(number string, want map[string]int) func(*script) {
	return func(s *script) {
		n := 0
		for _, v := range want {
			n += v
		}
		got := map[string]int{}
		for _, p := range s.messages(number, n, nil) {
			got[string(p)]++
		}
		for _, p := range []string{"b", "c", "d"} {
			if d := got[p] - want[p]; d < -2 || d > 2 || want[p] == 0 && d != 0 {
				s.t.Errorf("they went to %v, want %v", got, want)
			}
		}
	}
}

// hashed checks that requests alike in the key go to one destination however they differ
// otherwise, and that other keys reach all of them.
func hashed(number string, other func(i int) string) func(*script) {
	return func(s *script) {
		if got := s.messages(number, 6, func(i int) string { return fmt.Sprintf(`+"X-N: %d"`, i) }); other != nil && strings.Trim(got, got[:1]) != "" {
			s.t.Errorf("requests alike went to %s", got)
		}
		got := s.messages(number, 60, other)
		for _, p := range "bcd" {
			if !strings.ContainsRune(got, p) {
				s.t.Errorf("none of 60 keys went to %c: %s", p, got)
			}
		}
	}
}

// dispatchScenarios are who gets a request by algorithm and by what is full.
var dispatchScenarios = []scenario{
	{name: "round-robin takes turns", over: "sets", check: goes("10", "bcdbcdbcd")},
	{name: "weight gives each its part", over: "sets", check: parts("11", map[string]int{"b": 50, "c": 30, "d": 20})},
	{name: "relative-weight leaves out who takes none", over: "sets", check: parts("12", map[string]int{"b": 60, "d": 30})},
	{name: "priority: the lowest number, equals in turns", over: "sets", check: goes("13", "cdcdcd")},
	{name: "first passes over who is disabled", over: "sets", check: goes("16", "ccc")},
	{name: "random reaches all", over: "sets", check: hashed("14", nil)},
	{name: "hash-callid", over: "sets", check: hashed("17", nil)},
	{name: "hash-from", over: "sets", check: hashed("18", func(i int) string { return fmt.Sprintf(`"<sip:a@"=>"<sip:a%d@"`, i) })},
	{name: "hash-ruri", over: "sets", check: hashed("19", func(i int) string { return fmt.Sprintf(`uri=sip:19%d@sbc.example`, i) })},
	{name: "hash-user", over: "sets", check: hashed("20", func(i int) string { return fmt.Sprintf(`uri=sip:20%d@sbc.example`, i) })},
	{name: "hash-to", over: "sets", check: hashed("21", func(i int) string { return fmt.Sprintf(`"To: <sip:"=>"To: <sip:1%d"`, i) })},
	{
		// Of 4, 2 and 4 places the emptiest is taken, those alike in turns.
		name: "call-load takes who has the most room", over: "sets", moved: "calls=5",
		steps: `
			#1 a INVITE uri=sip:15@sbc.example -> b
			#1 a < 100
			#2 a INVITE uri=sip:15@sbc.example -> c
			#2 a < 100
			#3 a INVITE uri=sip:15@sbc.example -> d
			#3 a < 100
			#4 a INVITE uri=sip:15@sbc.example -> b
			#4 a < 100
			#5 a INVITE uri=sip:15@sbc.example -> d
			#5 a < 100
			` + everybodyBusy("b", "c", "d", "b", "d"),
	},
	{
		name: "max_calls and max_cps: who is full is passed over", over: "sets", moved: "calls=4 destination_full=2",
		steps: `
			#1 a INVITE uri=sip:23@sbc.example -> b
			#1 a < 100
			#2 a INVITE uri=sip:23@sbc.example
			#3 a INVITE uri=sip:23@sbc.example
			#2 a < 100
			#3 a < 100
			#2 c < INVITE from a
			#3 d < INVITE from a
			#1 b 486 -> a
			#1 b < ACK
			#1 a ACK
			#4 a INVITE uri=sip:23@sbc.example -> b // its place is free again
			#4 a < 100
			#2 c 486 -> a
			#2 c < ACK
			#2 a ACK
			#3 d 486 -> a
			#3 d < ACK
			#3 a ACK
			#4 b 486 -> a
			#4 b < ACK
			#4 a ACK`,
	},
	{
		name: "the calls that may be at once are as many as the limit says", over: "few", moved: "calls=3 refused_concurrent_calls",
		steps: `
			#1 a INVITE sdp -> b
			#1 a < 100
			#2 a INVITE sdp -> b
			#2 a < 100
			#3 a INVITE sdp
			#3 a < 503 +"Retry-After: 5"
			#3 a ACK
			#1 b 486 -> a
			#1 b < ACK
			#1 a ACK
			#4 a INVITE sdp -> b
			#4 a < 100
			#4 b 486 -> a
			#4 b < ACK
			#4 a ACK
			#2 b 486 -> a
			#2 b < ACK
			#2 a ACK`,
	},
	{
		name: "new calls in a second are as many as the limit says", over: "slow", moved: "calls refused_rate",
		steps: `
			#1 a INVITE sdp
			#2 a INVITE sdp
			#1 a < 100
			#1 b < INVITE from a
			#2 a < 503 +"Retry-After: 5"
			#2 a ACK
			#1 b 486 -> a
			#1 b < ACK
			#1 a ACK`,
	},
	{
		// The next set takes what the first one cannot.
		name: "a chained set takes over", over: "chain", moved: "calls answered failovers",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 503
			b < ACK` + goesOn,
	},
	{
		name: "a chained set takes over what nobody in the first is there for", over: "probed", moved: "calls=2",
		steps: `
			b deaf
			state b inactive
			#1 a INVITE sdp -> c
			#1 a < 100
			#1 c 486 -> a
			#1 c < ACK
			#1 a ACK
			b hears
			state b active
			#2 a INVITE sdp -> b
			#2 a < 100
			#2 b 486 -> a
			#2 b < ACK
			#2 a ACK`,
	},
	{
		name: "all are down: 503 with Retry-After", over: "probed", moved: "calls exhausted",
		steps: `
			b deaf
			c deaf
			state b inactive
			state c inactive
			a INVITE sdp
			a < 503 +"Retry-After: 5"
			a ACK
			b hears
			c hears
			state b active
			state c active`,
	},
}

// everybodyBusy ends the calls 1 to n, each at its callee.
func everybodyBusy(callees ...string) string {
	out := ""
	for i, p := range callees {
		out += fmt.Sprintf("\n#%[1]d %[2]s 486 -> a\n#%[1]d %[2]s < ACK\n#%[1]d a ACK", i+1, p)
	}
	return out
}

// policyScenarios are what the spec has changed in forwarded messages.
var policyScenarios = []scenario{
	{
		name: "headers are taken out, in both directions", over: "policy", moved: "headers_removed=5",
		steps: `
			a MESSAGE body=3 +"User-Agent: a" +"X-One: 1" +"Subject: kept" -> b -User-Agent -X-One
			b 200 MESSAGE +"X-Two: 2\r\n folded" +"Server: kept" +"X-Three: 3" +"user-agent:b" -> a -X-Two -X-Three -User-Agent`,
	},
	{
		name: "codecs that are not listed are taken out of offer and answer", over: "policy", moved: "calls answered encodings_removed=4",
		steps: `
			a INVITE sdp -> b ` + pruned + `
			a < 100
			b 200 sdp -> a ` + pruned + `
			a ACK -> b` + hungUp,
	},
	{
		name: "an offer without any codec listed goes as it is", over: "policy", moved: "calls descriptions_not_pruned",
		steps: `
			a INVITE sdp "RTP/AVP 8 0 18 101"=>"RTP/AVP 18" "a=rtpmap:8 PCMA/8000\r\n"=>"" "a=rtpmap:0 PCMU/8000\r\n"=>"" "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"=>"" "Content-Length: 227"=>"Content-Length: 123" -> b
			a < 100
			b 486 -> a
			b < ACK
			a ACK`,
	},
}

// pruned is a session description with PCMA and telephone-event alone.
const pruned = `"RTP/AVP 8 0 18 101"=>"RTP/AVP 8 101" "a=rtpmap:0 PCMU/8000\r\n"=>"" "a=rtpmap:18 G729/8000\r\n"=>"" "Content-Length: 227"=>"Content-Length: 177"`
