package sizing

import (
	"strings"
	"testing"

	"trunkline/appliance/spec"
)

func TestDatabaseConnections(t *testing.T) {
	db := func() *spec.Database {
		return &spec.Database{Name: "routing", Engine: spec.EnginePostgres, Pools: []string{"cache carriers", "calls", "sockets"}, Pool: 4, Appliances: 3, MaxConnections: 100, Range: line(100), MaxConnectionsRange: line(102)}
	}
	for _, c := range []struct {
		name               string
		edit               func(*spec.Database)
		connections, limit float64
		severity           string
		detail             string
	}{
		{"fits", func(*spec.Database) {}, 48, 100, "", ""},
		{"no room to restart", func(d *spec.Database) { d.MaxConnections = 45 }, 48, 45, SeverityWarning, "Raise max_connections of the server to 51"},
		{"too many", func(d *spec.Database) { d.MaxConnections = 38 }, 48, 38, SeverityError, "a pool of 4 for 3 uses (cache carriers, calls and sockets), on 3 appliances and once more while one restarts"},
		{"exactly", func(d *spec.Database) { d.MaxConnections = 51 }, 48, 51, "", ""},
		{"not stated", func(d *spec.Database) { d.MaxConnections = 0 }, 48, 0, "", ""},
		{"one appliance", func(d *spec.Database) { d.Appliances = 0 }, 24, 100, "", ""},
		{"unused", func(d *spec.Database) { d.Pools = nil }, 0, 100, "", ""},
		{"a file", func(d *spec.Database) { d.Engine = spec.EngineSQLite }, 12, 0, "", ""},
	} {
		s, d := edge(), db()
		c.edit(d)
		s.Databases = []*spec.Database{d}
		b := Size(s, nil)
		if got := b.Databases[0]; got.Connections.Value != c.connections || got.Limit.Value != c.limit {
			t.Errorf("%s: %v of %v, want %v of %v", c.name, got.Connections.Value, got.Limit.Value, c.connections, c.limit)
		}
		found := ""
		for _, f := range b.Findings {
			if f.ID == "database.connections.routing" {
				found = f.Severity
				if !strings.Contains(f.Detail, c.detail) || f.At != "edge.hcl:102" {
					t.Errorf("%s: at %s: %s", c.name, f.At, f.Detail)
				}
			}
		}
		if found != c.severity {
			t.Errorf("%s: finding %q, want %q", c.name, found, c.severity)
		}
	}
}

// B7: workers are no term of the connections.
func TestWorkersNeverMultiplyConnections(t *testing.T) {
	s := edge()
	s.Databases = []*spec.Database{{Name: "routing", Engine: spec.EnginePostgres, Pools: []string{"cache carriers"}, Pool: 2, Appliances: 1, Range: line(100)}}
	few := Size(s, nil)
	s.Listeners[0].Workers, s.Hardware.Cores = 64, 64
	many := Size(s, nil)
	if few.TotalWorkers.Value >= many.TotalWorkers.Value || few.Databases[0].Connections.Value != many.Databases[0].Connections.Value {
		t.Errorf("%v connections with %v workers, %v with %v", few.Databases[0].Connections.Value, few.TotalWorkers.Value, many.Databases[0].Connections.Value, many.TotalWorkers.Value)
	}
	if f := few.Databases[0].Connections.Formula; !strings.Contains(f, "workers have none") {
		t.Errorf("the formula does not say so: %s", f)
	}
	if many.OpenFiles.Value < many.TotalWorkers.Value+1024+2 {
		t.Errorf("descriptors = %v", many.OpenFiles.Value)
	}
}
