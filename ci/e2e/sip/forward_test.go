package sip

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

var (
	viaCore   = regexp.MustCompile(`^Via: SIP/2\.0/UDP 127\.0\.0\.3:5060;branch=z9hG4bK[0-9A-Za-z._-]{8,80}$`)
	ourVia    = regexp.MustCompile(`Via: SIP/2\.0/UDP 127\.0\.0\.3:5060;branch=z9hG4bK[0-9A-Za-z._-]{8,80}(, |\r\nVia: )`)
	rrCore    = regexp.MustCompile(`^Record-Route: <sip:127\.0\.0\.3:5060;lr(;[a-z0-9=.-]+)*>$`)
	rrCarrier = regexp.MustCompile(`^Record-Route: <sip:127\.0\.0\.2:5060;lr(;[a-z0-9=.-]+)*>$`)
	received  = regexp.MustCompile(`^(Via: SIP/2\.0/UDP 127\.0\.0\.10:5060;branch=[^;]+);received=127\.0\.0\.10$`)
)

// removeLine takes out the one line that matches, and reports whether there was
// exactly one.
func removeLine(lines []string, re *regexp.Regexp) ([]string, bool) {
	at := -1
	for i, l := range lines {
		if l == "" {
			break // the body is not searched
		}
		if re.MatchString(l) {
			if at >= 0 {
				return lines, false
			}
			at = i
		}
	}
	if at < 0 {
		return lines, false
	}
	return append(append([]string(nil), lines[:at]...), lines[at+1:]...), true
}

// undo takes a forwarded request back to what the sender sent, allowing exactly
// the changes of RFC 3261 section 16.6: our Via on top, our Record-Routes (when
// recordRoute), Max-Forwards one lower, and received in the sender's Via.
func undo(t *testing.T, m logged, recordRoute bool) string {
	t.Helper()
	lines := strings.Split(m.text, "\r\n")
	if len(lines) < 2 || !viaCore.MatchString(lines[1]) {
		t.Errorf("forwarded %s has not our Via on top: %q", m.label(), lines[1])
	}
	var ok bool
	if lines, ok = removeLine(lines, viaCore); !ok {
		t.Errorf("forwarded %s has not exactly one Via of ours", m.label())
	}
	if recordRoute {
		// Outgoing listener on top, incoming below (double Record-Route).
		core := strings.Index(m.text, "Record-Route: <sip:127.0.0.3:")
		carrier := strings.Index(m.text, "Record-Route: <sip:127.0.0.2:")
		if core < 0 || carrier < core {
			t.Errorf("Record-Route of the outgoing listener must stand above that of the incoming one")
		}
		var a, b bool
		lines, a = removeLine(lines, rrCore)
		lines, b = removeLine(lines, rrCarrier)
		if !a || !b {
			t.Errorf("forwarded %s lacks a Record-Route of ours", m.label())
		}
	}
	for i, l := range lines {
		if l == "" {
			break
		}
		if v, found := strings.CutPrefix(l, "Max-Forwards: "); found {
			n, err := strconv.Atoi(v)
			if err != nil {
				t.Errorf("Max-Forwards %q", v)
			}
			lines[i] = "Max-Forwards: " + strconv.Itoa(n+1)
		}
		if r := received.FindStringSubmatch(l); r != nil {
			lines[i] = r[1]
		}
	}
	return strings.Join(lines, "\r\n")
}

// checkForwarded compares the messages the caller and one callee exchanged: a
// request from the caller as the callee got it, a response the callee sent as the
// caller got it.
func checkForwarded(t *testing.T, caller, callee *agent) {
	t.Helper()
	sent := caller.messages()
	// origin is the request of the caller that m is the forwarded form of: it
	// carries the caller's Via.
	origin := func(m logged) (logged, bool) {
		for _, o := range sent {
			if o.sent && o.label()[2:] == m.label()[2:] && strings.Contains(m.text, "\r\nVia: "+o.header("Via")+"\r\n") {
				return o, true
			}
		}
		return logged{}, false
	}
	ack2xx := false
	for _, m := range callee.messages() {
		l := m.label()
		if !m.sent && l == "< ACK" && m.header("CSeq") != "" {
			ack2xx = strings.Contains(m.text, "Max-Forwards: 69\r\n")
		}
		switch {
		case m.sent || (l != "< INVITE" && l != "< BYE" && l != "< ACK"):
			continue
		case l == "< ACK" && !ack2xx:
			continue // the proxy's own ACK for a refusal (RFC 3261 17.1.1.3)
		}
		orig, ok := origin(m)
		if !ok {
			continue
		}
		want := orig.text
		inDialog := strings.Contains(orig.text, "\r\nRoute: ")
		if inDialog {
			if strings.Contains(m.text, "\r\nRoute: ") {
				t.Errorf("forwarded %s still carries our Route", l)
			}
			want = dropRoutes(want)
		}
		got := undo(t, m, l == "< INVITE" && !inDialog || l == "< INVITE" && strings.Contains(m.text, "\r\nRecord-Route: "))
		if got != want {
			t.Errorf("forwarded %s differs from what was sent beyond what a proxy changes:\n--- sent\n%s\n--- forwarded, our changes undone\n%s", l, want, got)
		}
	}

	got := map[string]logged{}
	for _, m := range caller.messages() {
		if !m.sent {
			got[m.label()+m.header("To")+m.header("CSeq")] = m
		}
	}
	for _, m := range callee.messages() {
		if !m.sent || !strings.HasPrefix(m.text, "SIP/2.0") {
			continue
		}
		r, ok := got["< "+m.label()[2:]+m.header("To")+m.header("CSeq")]
		if !ok {
			continue // consumed by the proxy: a refusal that failed over, the 200 of our CANCEL
		}
		// SIPp writes all Via values on one line, our scenarios one on each.
		ours := ourVia.FindStringIndex(m.text)
		if ours == nil {
			t.Errorf("callee's %s carries no Via of ours on top:\n%s", m.label(), m.text)
			continue
		}
		if want := m.text[:ours[0]] + "Via: " + m.text[ours[1]:]; r.text != want {
			t.Errorf("relayed %s differs from what was sent beyond our Via:\n--- sent, our Via taken off\n%s\n--- relayed\n%s", m.label(), want, r.text)
		}
	}
}

// dropRoutes removes the Route lines: in these tests every Route is ours.
func dropRoutes(text string) string {
	var out []string
	for _, l := range strings.Split(text, "\r\n") {
		if !strings.HasPrefix(l, "Route: ") {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\r\n")
}

// eventuallyIdle waits until no call and no transaction is left.
func (s *sbcd) eventuallyIdle(within time.Duration) {
	s.t.Helper()
	deadline := time.Now().Add(within)
	for {
		live := s.live()
		if live == "" {
			return
		}
		if time.Now().After(deadline) {
			s.t.Errorf("still live after %v: %s", within, live)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}
