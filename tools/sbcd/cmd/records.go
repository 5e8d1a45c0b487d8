package cmd

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"trunkline/appliance/runtime"
	"trunkline/proxy/record"
	"trunkline/proxy/record/postgres"
)

// recordSink is where a configuration has call records go; nil: it wants none. dir is where
// they may lie on the disk; empty: there is none.
func recordSink(cfg *runtime.Appliance, dir string, log *slog.Logger) (record.Sink, error) {
	c := cfg.Control.CDR
	if c == nil {
		return nil, nil
	}
	switch c.To {
	case "journal":
		return record.NewJournal(log), nil
	case "file":
		if dir == "" {
			return nil, errors.New("call records go to a file, and there is no directory for it: name one in STATE_DIRECTORY, as sbcd.service does")
		}
		return record.OpenFile(dir, record.FileOptions{}, log)
	case "database":
		d, secrets, err := databaseOf(cfg, c.Database)
		if err != nil {
			return nil, fmt.Errorf("call records: %w", err)
		}
		return record.NewDatabase(&postgres.Table{Server: d, Secrets: secrets}, dir, record.DatabaseOptions{}, log)
	}
	return nil, fmt.Errorf("call records go to %q: write journal, file or database", c.To)
}

// recordsLine is what an operator is told of call records.
func recordsLine(out io.Writer, r *record.Stats) {
	fmt.Fprintf(out, "call records to the %s: %d written", r.Name, r.Written)
	for _, n := range []struct {
		n    int64
		what string
	}{{r.Waiting, "waiting"}, {r.Spooled, "on the disk for it"}, {int64(r.Refused), "it does not take"}, {int64(r.Lost), "lost"}} {
		if n.n > 0 {
			fmt.Fprintf(out, ", %d %s", n.n, n.what)
		}
	}
	if r.Error != "" {
		fmt.Fprintf(out, "; %s", oneLine(r.Error))
	}
	fmt.Fprintln(out)
}

func (g sink) records(r *record.Stats) {
	l := []string{"sink", r.Name}
	g.counter("trunkline_call_records_written_total", "Records of ended calls that were written.", r.Written, l...)
	g.counter("trunkline_call_records_lost_total", "Records of ended calls that were lost, for nothing took them in time.", r.Lost, l...)
	g.counter("trunkline_call_records_refused_total", "Records of ended calls that the database does not take, and that are lost.", r.Refused, l...)
	g.gauge("trunkline_call_records_waiting", "Records of ended calls that wait in memory to be written.", float64(r.Waiting), l...)
	g.gauge("trunkline_call_records_spooled", "Records of ended calls that are kept on the disk for a database.", float64(r.Spooled), l...)
	g.gauge("trunkline_call_records_failing", "1 while records cannot be written to where they belong.", truth(r.Error != ""), l...)
}
