package cmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/proxy/route"
	"trunkline/proxy/warm"
)

// reloadWithin bounds a reload that an operator waits for; each cache has a timeout of its own.
const reloadWithin = 3 * time.Hour

// dumpWithin bounds the dump of a table to a reader that is slow.
const dumpWithin = 10 * time.Minute

// stateDir is a directory below that in which the service manager lets us keep files beyond
// an end (systemd.exec(5), StateDirectory=); empty: there is none.
func (p *program) stateDir(name string) string {
	dir, _, _ := strings.Cut(p.Getenv("STATE_DIRECTORY"), ":")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

// caches answers what operators ask about tables.
type caches struct {
	cfg    *runtime.Appliance
	warmer *warm.Warmer
	router *route.Router
	log    *slog.Logger
}

func (c caches) handlers() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"POST " + control.ReloadCachesPath: c.reload,
		"GET " + control.DumpCachePath:     c.dump,
		"GET " + control.RoutePath:         c.route,
	}
}

// reloadedCaches is the reply to a reload.
type reloadedCaches struct {
	Caches []warm.Status `json:"caches"`
}

func (c caches) reload(w http.ResponseWriter, r *http.Request) {
	control.Within(w, reloadWithin)
	names := r.URL.Query()["cache"]
	c.log.Info("caches are loaded again", "caches", names)
	out, err := c.warmer.Reload(r.Context(), names...)
	if err != nil {
		control.Refuse(w, errors.New(oneLine(err.Error())))
		return
	}
	control.Reply(w, reloadedCaches{out})
}

func (c caches) dump(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("cache")
	t := c.router.Table(name)
	if t == nil {
		control.Refuse(w, fmt.Errorf("cache %q has no table: `sbcd status` lists those that have", name))
		return
	}
	control.Within(w, dumpWithin)
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	b := bufio.NewWriterSize(w, 1<<16)
	if err := warm.WriteCSV(b, t, c.router); err != nil {
		return // whoever asked has gone
	}
	_ = b.Flush()
}

func (p *program) reloadCachesCommand() *cobra.Command {
	var socket string
	c := &cobra.Command{
		Use:   "reload-caches [NAME...]",
		Short: "Have the running proxy load its caches again",
		Long: `Have the running proxy load the caches of these names from their sources again, or all of
them. Calls go on meanwhile, by the tables of before; each is swapped as a whole once it is
complete. A table that cannot be loaded stays as it is, and the exit code is 1.`,
		RunE: func(c *cobra.Command, names []string) error {
			if err := p.controlSocket(&socket); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), reloadWithin)
			defer cancel()
			b, err := control.Post(ctx, socket, control.ReloadCachesPath+"?"+url.Values{"cache": names}.Encode())
			if err != nil {
				return err
			}
			var r reloadedCaches
			if err := json.Unmarshal(b, &r); err != nil {
				return fmt.Errorf("answer of %s not understood: %w", socket, err)
			}
			return r.print(p.Stdout)
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&socket, "control", "", "path of the control socket; default: the configuration's")
	return c
}

func (r reloadedCaches) print(out io.Writer) error {
	if len(r.Caches) == 0 {
		_, err := fmt.Fprintln(out, "there are no caches")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range r.Caches {
		fmt.Fprintf(w, "cache %s\t%d rows\t%d B\tin %s\n", c.Name, c.Rows, c.Bytes, seconds(c.Seconds))
	}
	return w.Flush()
}

func (p *program) dumpCacheCommand() *cobra.Command {
	var socket string
	c := &cobra.Command{
		Use:   "dump-cache NAME",
		Short: "Print the table of a cache of the running proxy",
		Long: `Print the rows of the table that calls are routed by at this moment, a prefix and a
dispatcher set each, in the order of the prefixes, as a file source has them.`,
		Args: oneArg("the name of a cache"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.controlSocket(&socket); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), dumpWithin)
			defer cancel()
			return control.Copy(ctx, p.Stdout, socket, control.DumpCachePath+"?"+url.Values{"cache": args}.Encode())
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&socket, "control", "", "path of the control socket; default: the configuration's")
	return c
}

// oneArg wants one argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage{fmt.Errorf("give %s, and nothing else", what)}
		}
		return nil
	}
}

// cacheNote is what the table in place is, and what is the matter with it.
func cacheNote(c warm.Status, now time.Time) string {
	var s string
	switch {
	case c.Origin == warm.FromSource && c.State != warm.Loading:
		s = "in " + seconds(c.Seconds)
	case c.Origin == warm.FromLastGood:
		s = "last good table, of " + seconds(now.Sub(c.Since).Seconds()) + " ago"
	case c.Origin == warm.FromBaked:
		s = "table of the image"
	}
	add := func(text string) {
		if s != "" {
			s += "; "
		}
		s += text
	}
	if c.State == warm.Loading {
		add(fmt.Sprintf("%d rows read in %s", c.Read, seconds(c.Seconds)))
	}
	if c.Error != "" {
		add(c.Error)
	}
	if c.Unsaved != "" {
		add("last good table not kept: " + c.Unsaved)
	}
	return s
}

func (g sink) cache(c warm.Status) {
	l := []string{"cache", c.Name}
	g.gauge("trunkline_cache_loaded", "1 when a table of the cache is in place.", truth(c.Origin != ""), l...)
	for _, o := range []string{warm.FromSource, warm.FromLastGood, warm.FromBaked} {
		g.gauge("trunkline_cache_origin", "1 for where the table in place is from.", truth(c.Origin == o), "cache", c.Name, "origin", o)
	}
	g.gauge("trunkline_cache_failed", "1 when the last load of the cache failed.", truth(c.Error != ""), l...)
	g.gauge("trunkline_cache_rows", "Rows of the table in place.", float64(c.Rows), l...)
	g.gauge("trunkline_cache_read_rows", "Rows that a load under way has read.", float64(c.Read), l...)
	g.gauge("trunkline_cache_planned_rows", "Rows the plan sized memory for; 0: unknown.", float64(c.Planned), l...)
	g.gauge("trunkline_cache_bytes", "Memory of the cache's table.", float64(c.Bytes), l...)
	g.gauge("trunkline_cache_load_seconds", "Duration of the last load.", c.Seconds, l...)
	g.gauge("trunkline_cache_unsaved", "1 when the last good table could not be kept.", truth(c.Unsaved != ""), l...)
	if !c.Since.IsZero() {
		g.gauge("trunkline_cache_since_seconds", "When the source gave the table in place, seconds since 1970.", float64(c.Since.UnixMilli())/1e3, l...)
	}
	g.counter("trunkline_cache_loads_total", "Loads of the cache from its source.", c.Loads, "cache", c.Name, "result", "ok")
	g.counter("trunkline_cache_loads_total", "Loads of the cache from its source.", c.Failures, "cache", c.Name, "result", "failed")
}
