package message

import (
	"strings"
	"testing"
)

// The last Route value is found and can be taken away or followed by another, whatever the
// lines before it look like.
func TestLastRoute(t *testing.T) {
	const head, tail = "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n", "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 BYE\r\n\r\nRoute: <sip:body>\r\n"
	for _, tt := range []struct {
		name, routes string
		uri          string // empty: there is none
		cut          string // the routes without the last value
		first        string // the routes without the first value, and sip:x after all
	}{
		{"none", "", "", "", ""},
		{"one", "Route: <sip:1>\r\n", "sip:1", "", "Route: <sip:x>\r\n"},
		{"a line each", "Route: <sip:1>\r\nroute:<sip:2;lr>;p\r\n", "sip:2;lr", "Route: <sip:1>\r\n", "route:<sip:2;lr>;p\r\nRoute: <sip:x>\r\n"},
		{"on a line", "Route: <sip:1>,<sip:2> , \"<, q\" <sip:3>\r\n", "sip:3", "Route: <sip:1>,<sip:2>\r\n", "Route: <sip:2> , \"<, q\" <sip:3>\r\nRoute: <sip:x>\r\n"},
		{"more than a View keeps", "Route: <sip:1>\r\nRoute: <sip:2>,<sip:3>,<sip:4>,<sip:5>\r\nSubject: s\r\nRoute: <sip:6>,\r\n <sip:7>\r\n", "sip:7",
			"Route: <sip:1>\r\nRoute: <sip:2>,<sip:3>,<sip:4>,<sip:5>\r\nSubject: s\r\nRoute: <sip:6>\r\n",
			"Route: <sip:2>,<sip:3>,<sip:4>,<sip:5>\r\nSubject: s\r\nRoute: <sip:6>,\r\n <sip:7>\r\nRoute: <sip:x>\r\n"},
		{"cannot be read", "Route: <sip:1>,<sip:2>,<sip:3>,<sip:4>,<sip:5>,<sip:6\r\n", "", "", "Route: <sip:2>,<sip:3>,<sip:4>,<sip:5>,<sip:6\r\nRoute: <sip:x>\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v View
			raw := head + tt.routes + tail
			if err := v.Parse([]byte(raw)); err != nil {
				t.Fatal(err)
			}
			uri, cut, ok := v.LastRoute()
			if ok != (tt.uri != "") || string(v.Get(uri)) != tt.uri {
				t.Errorf("last value %q, %v, want %q", v.Get(uri), ok, tt.uri)
			}
			if got := raw[:cut.Start] + raw[cut.End:]; ok && got != head+tt.cut+tail {
				t.Errorf("without it:\n%s", got)
			}
			if n := testing.AllocsPerRun(10, func() { v.LastRoute() }); n != 0 {
				t.Errorf("%v allocations", n)
			}
			got := string(AppendRequest(nil, &v, &RequestEdits{RemoveRoutes: 1, LastRoute: []byte("sip:x"), URI: []byte("sip:y")}))
			if want := strings.Replace(head, "sip:a@b", "sip:y", 1) + tt.first + tail; got != want {
				t.Errorf("moved:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
