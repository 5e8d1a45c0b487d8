package message

import "testing"

func TestParseURI(t *testing.T) {
	for _, tt := range []struct {
		in, user, host string
		port           uint16
		scheme         Scheme
		lr             bool
		transport      string
		maddr          string
		headers        string
	}{
		{in: "sip:example.com", host: "example.com", scheme: SchemeSIP},
		{in: "SIP:alice:secret@Example.com:5070;lr;Transport=tcp", user: "alice", host: "Example.com", port: 5070, scheme: SchemeSIP, lr: true, transport: "tcp"},
		{in: "sips:a@[2001:db8::1]:5061;maddr=239.1.1.1?subject=x", user: "a", host: "2001:db8::1", port: 5061, scheme: SchemeSIPS, maddr: "239.1.1.1", headers: "subject=x"},
		{in: "sip:user;par=u%40example.net@example.com", user: "user;par=u%40example.net", host: "example.com", scheme: SchemeSIP},
		{in: "sip:a?b@h?x=y", user: "a?b", host: "h", scheme: SchemeSIP, headers: "x=y"},
		{in: "sip:[::1];lr=on", host: "::1", scheme: SchemeSIP, lr: true},
		{in: "sip:h;lrx;xlr", host: "h", scheme: SchemeSIP},
		{in: "tel:+4930123;phone-context=x", user: "+4930123", scheme: SchemeTEL},
		{in: "urn:service:sos", user: "urn:service:sos", scheme: SchemeService},
		{in: "URN:Service:sos.Fire", user: "URN:Service:sos.Fire", scheme: SchemeService},
		{in: "urn:service:", scheme: SchemeOther},
		{in: "urn:isbn:0451450523", scheme: SchemeOther},
		{in: "http://example.com", scheme: SchemeOther},
	} {
		u, err := ParseURI([]byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if string(u.User) != tt.user || string(u.Host) != tt.host || u.Port != tt.port || u.Scheme != tt.scheme ||
			u.LR != tt.lr || string(u.Transport) != tt.transport || string(u.MAddr) != tt.maddr || string(u.Headers) != tt.headers {
			t.Errorf("%s: %+v", tt.in, u)
		}
	}
}

func TestParseURIErrors(t *testing.T) {
	for in, want := range map[string]error{
		"": URINoScheme, "alice": URINoScheme, ":x": URINoScheme, "a b:x": URINoScheme,
		"sip:": URIHost, "sip:a@": URIHost, "sip:a@b c": URIHost, "sip:[::1": URIHost, "sip:[]": URIHost,
		"sip:@h": URIUser, "sip:a@b@c": URIUser, "tel:": URIUser,
		"sip:h:": URIPort, "sip:h:0": URIPort, "sip:h:65536": URIPort, "sip:h:x": URIPort,
		"sip:h:5060x": URIHost,
	} {
		if _, err := ParseURI([]byte(in)); err != want {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
	}
}
