package cmd

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"trunkline/appliance/runtime"
	"trunkline/proxy/credential"
	"trunkline/proxy/engine"
	"trunkline/proxy/persist"
	"trunkline/proxy/persist/postgres"
	server "trunkline/proxy/warm/postgres"
)

// callStore is where a configuration has calls in progress kept; nil: they end with the machine.
// dir is where they may lie on the disk; empty: there is none.
func callStore(cfg *runtime.Appliance, dir string) (persist.Store, error) {
	c := cfg.State.Persistence
	if c == nil {
		return nil, nil
	}
	switch c.To {
	case "disk":
		if dir == "" {
			return nil, errors.New("calls in progress are kept on the disk, and there is no directory for them: name one in STATE_DIRECTORY, as sbcd.service does")
		}
		return persist.OpenDisk(dir)
	case "database":
		d, secrets, err := databaseOf(cfg, c.Database)
		if err != nil {
			return nil, fmt.Errorf("calls in progress: %w", err)
		}
		return &postgres.Store{Server: d, Appliance: cfg.Name, Secrets: secrets}, nil
	}
	return nil, fmt.Errorf("calls in progress are kept in %q: write disk or database", c.To)
}

// databaseOf is a database of a configuration, and what reads its secrets, which are asked for each
// time: new ones count.
func databaseOf(cfg *runtime.Appliance, name string) (runtime.Database, func() (server.Secrets, error), error) {
	i := slices.IndexFunc(cfg.Databases, func(d runtime.Database) bool { return d.Name == name })
	if i < 0 {
		return runtime.Database{}, nil, fmt.Errorf("the configuration has no database %q", name)
	}
	d := cfg.Databases[i]
	return d, func() (server.Secrets, error) { return server.ReadSecrets(d, credential.New(cfg.Secrets)) }, nil
}

// persistLine is what an operator is told of calls that are kept.
func persistLine(out io.Writer, p *engine.PersistStats) {
	fmt.Fprintf(out, "calls kept on the %s: %d", p.To, p.Calls)
	if r := p.Restored; r.Calls+r.Dropped > 0 {
		fmt.Fprintf(out, "; of before the boot %d go on", r.Calls)
		if r.Dropped > 0 {
			fmt.Fprintf(out, ", %d do not", r.Dropped)
		}
	}
	if p.Error != "" {
		fmt.Fprintf(out, "; %s", oneLine(p.Error))
	}
	fmt.Fprintln(out)
}

func (g sink) persisted(p *engine.PersistStats) {
	l := []string{"to", p.To}
	g.gauge("trunkline_kept_calls", "Calls in progress that are kept outside of the memory.", float64(p.Calls), l...)
	g.counter("trunkline_kept_batches_total", "Batches of changes of calls that were kept.", p.Batches, l...)
	g.gauge("trunkline_kept_failing", "1 while calls in progress cannot be kept.", truth(p.Error != ""), l...)
	g.gauge("trunkline_kept_restored_calls", "Calls of before the boot that went on when the process started.", float64(p.Restored.Calls), l...)
	g.gauge("trunkline_kept_dropped_calls", "Calls of before the boot that did not go on when the process started.", float64(p.Restored.Dropped), l...)
	if !p.Last.IsZero() {
		g.gauge("trunkline_kept_last_seconds", "When calls were kept last, or found kept, seconds since 1970.", float64(p.Last.UnixMilli())/1e3, l...)
	}
}
