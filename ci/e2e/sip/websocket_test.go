package sip

import (
	"context"
	"crypto/tls"
	"log/slog"
	"regexp"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// overWebSocket are the replacements that put the carrier's listener over to ws or wss.
func overWebSocket(transport string) []string {
	const listener, source = "  transport = \"udp\"\n", "  sources   = [\"127.0.0.10/32\"]\n"
	if transport == "ws" {
		return []string{listener + source, "  transport = \"ws\"\n" + source}
	}
	return []string{listener + source, "  transport = \"wss\"\n" + source + "  tls {\n    certificate = \"cert\"\n    key         = \"key\"\n  }\n",
		"route \"all\" {", "secret \"cert\" { from = \"credential\" }\nsecret \"key\" { from = \"credential\" }\nroute \"all\" {"}
}

// visitor is a caller as a page in a browser is one: it opens one connection, takes no
// others, and its Contact is no address.
type visitor struct {
	dialogs *sipgo.DialogClientCache
	byes    chan *sip.Request
}

func newVisitor(t *testing.T, c *tls.Config) *visitor {
	t.Helper()
	ua, err := sipgo.NewUA(sipgo.WithUserAgenTLSConfig(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ua.Close() })
	silent := slog.New(slog.DiscardHandler)
	srv, err := sipgo.NewServer(ua, sipgo.WithServerLogger(silent))
	if err != nil {
		t.Fatal(err)
	}
	cli, err := sipgo.NewClient(ua, sipgo.WithClientHostname("df7jal23ls0d.invalid"), sipgo.WithClientConnectionAddr(callerIP+":0"), sipgo.WithClientLogger(silent))
	if err != nil {
		t.Fatal(err)
	}
	contact := sip.Uri{Scheme: "sip", User: "alice", Host: "df7jal23ls0d.invalid", UriParams: sip.NewParams()}
	contact.UriParams.Add("transport", "ws")
	v := &visitor{dialogs: sipgo.NewDialogClientCache(cli, sip.ContactHeader{Address: contact}), byes: make(chan *sip.Request, 1)}
	srv.OnBye(func(req *sip.Request, tx sip.ServerTransaction) {
		if err := v.dialogs.ReadBye(req, tx); err != nil {
			t.Errorf("BYE: %v", err)
		}
		v.byes <- req
	})
	return v
}

// Another stack's WebSocket client calls a UDP gateway, and either side hangs up: what the
// gateway sends comes by the connection the call came by, there is no other way.
func TestCallOverWebSocket(t *testing.T) {
	a := newAuthority(t, "authority")
	for _, transport := range []string{"ws", "wss"} {
		for _, by := range []string{"caller", "gateway"} {
			t.Run(transport+", the "+by+" hangs up", func(t *testing.T) {
				giveCredentials(t, a)
				proxy := startProxyOf(t, overWebSocket(transport)...)
				gw := startGateway(t, "udp", "127.0.0.21:5060", nil)
				startGateway(t, "udp", "127.0.0.22:5060", nil)
				trust := a.peer(a, always(), callerIP)
				trust.Certificates = nil // browsers show none
				v := newVisitor(t, trust)
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
				defer cancel()
				d := invite(ctx, t, v.dialogs, transport)
				want := regexp.MustCompile(`^<sip:127\.0\.0\.3:5060;lr> <sip:tlflow-[0-9a-f]{32}@127\.0\.0\.2:5060;transport=ws;lr>$`)
				if got := recordRoutes(gw.next(t, "INVITE")); !want.MatchString(got) {
					t.Errorf("the gateway got Record-Route %s, want %s", got, want)
				}
				gw.next(t, "ACK")
				if by == "caller" {
					if err := d.Bye(ctx); err != nil {
						t.Errorf("BYE: %v", err)
					}
					gw.next(t, "BYE")
				} else {
					if err := gw.hangUp(ctx); err != nil {
						t.Fatalf("BYE: %v", err)
					}
					if via := (<-v.byes).Via(); via.Transport != map[string]string{"ws": "WS", "wss": "WSS"}[transport] || via.Host != "127.0.0.2" {
						t.Errorf("BYE came with Via %s", via)
					}
				}
				proxy.eventuallyIdle(time.Minute)
			})
		}
	}
}
