package message

import "testing"

func TestAppendWithChallenges(t *testing.T) {
	const head = "SIP/2.0 407 Proxy Authentication Required\r\nVia: SIP/2.0/UDP a\r\n"
	for _, tt := range []struct{ name, best, other, want string }{
		{"one each", head + "Proxy-Authenticate: Digest realm=\"a\"\r\nContent-Length: 0\r\n\r\n",
			"SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP b\r\nWWW-Authenticate: Digest realm=\"b\"\r\nContent-Length: 0\r\n\r\n",
			head + "Proxy-Authenticate: Digest realm=\"a\"\r\nContent-Length: 0\r\nWWW-Authenticate: Digest realm=\"b\"\r\n\r\n"},
		{"several, folded, in any case, a body", head + "Content-Length: 2\r\n\r\nhi",
			"SIP/2.0 401 Unauthorized\r\nwww-authenticate : Digest realm=\"b\",\r\n nonce=\"1\"\r\nX: y\r\nPROXY-AUTHENTICATE:Basic\r\n\r\nProxy-Authenticate: body\r\n",
			head + "Content-Length: 2\r\nwww-authenticate : Digest realm=\"b\",\r\n nonce=\"1\"\r\nPROXY-AUTHENTICATE:Basic\r\n\r\nhi"},
		{"none", head + "\r\n", "SIP/2.0 401 Unauthorized\r\nVia: x\r\n\r\n", head + "\r\n"},
	} {
		if got := string(AppendWithChallenges([]byte("before "), []byte(tt.best), []byte(tt.other))); got != "before "+tt.want {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
}
