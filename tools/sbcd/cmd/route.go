package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trunkline/proxy/control"
	"trunkline/proxy/route"
)

// routed is what becomes of a call by one listener.
type routed struct {
	Listener string `json:"listener"`
	route.Explanation
}

// routes is the reply to the question where calls for a number go.
type routes struct {
	Routes []routed `json:"routes"`
}

// route answers where a call for ?number= goes that comes in by ?listener= (none: by each) from
// ?source= (none: an address of no carrier).
func (c caches) route(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var source netip.Addr
	if text := q.Get("source"); text != "" {
		var err error
		if source, err = netip.ParseAddr(text); err != nil {
			control.Refuse(w, fmt.Errorf("source %q is no address: write one such as 198.51.100.7", text))
			return
		}
	}
	name, out := q.Get("listener"), routes{[]routed{}}
	var known []string
	for i, l := range c.cfg.Listeners {
		known = append(known, l.Name)
		if name == "" || name == l.Name {
			out.Routes = append(out.Routes, routed{l.Name, c.router.Explain(i, source, q.Get("number"))})
		}
	}
	if len(out.Routes) == 0 {
		control.Refuse(w, fmt.Errorf("there is no listener %q: use one of %s", name, strings.Join(known, ", ")))
		return
	}
	control.Reply(w, out)
}

func (p *program) routeCommand() *cobra.Command {
	var socket, listener, source string
	var asJSON bool
	c := &cobra.Command{
		Use:   "route NUMBER",
		Short: "Show where the running proxy sends calls for a number",
		Long: `Show where a new call for a number goes at this moment: the route and the prefix that decide, the
dispatcher sets, and the number as it is sent on. NUMBER is the user part of a Request-URI, or a
service (urn:service:sos). Nothing is sent.`,
		Args: oneArg("the number called"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.controlSocket(&socket); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), askTimeout)
			defer cancel()
			b, err := control.Get(ctx, socket, control.RoutePath+"?"+url.Values{"number": args, "listener": {listener}, "source": {source}}.Encode())
			if err != nil {
				return err
			}
			if asJSON {
				_, err := p.Stdout.Write(b)
				return err
			}
			var r routes
			if err := json.Unmarshal(b, &r); err != nil {
				return fmt.Errorf("answer of %s not understood: %w", socket, err)
			}
			return r.print(p.Stdout)
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&socket, "control", "", "path of the control socket; default: the configuration's")
	c.Flags().StringVar(&listener, "from", "", "listener the call comes in by; default: each of them")
	c.Flags().StringVar(&source, "source", "", "address the call comes from; default: one of no carrier")
	c.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	return c
}

// print shows a line for each listener. Where none has a route, that is an error.
func (r routes) print(out io.Writer) error {
	found := false
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, x := range r.Routes {
		who := "listener " + x.Listener
		if x.Carrier != "" {
			who += ", carrier " + x.Carrier
		}
		if x.Route == "" {
			fmt.Fprintf(w, "%s\tno route matches: such a call gets 404\n", who)
			continue
		}
		found = true
		by := "route " + x.Route
		switch {
		case x.Cache != "":
			by += fmt.Sprintf(", prefix %s of cache %s", x.Prefix, x.Cache)
		case x.Prefix != "":
			by += ", prefix " + x.Prefix
		}
		fmt.Fprintf(w, "%s\t%s\tto %s\tas %s\n", who, by, strings.Join(x.Sets, ", "), x.Number)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !found {
		return errors.New("no route matches")
	}
	return nil
}
