package sizing

import (
	"trunkline/appliance/spec"
)

// reservedConnections are those PostgreSQL keeps for its administrators
// (superuser_reserved_connections, its default).
const reservedConnections = 3

// databases counts connections against what each server takes (B7). A use of a
// database has one pool on an appliance; workers have no connections of their own,
// so their number is no term.
func (z *sizer) databases() {
	for _, d := range z.s.Databases {
		id := "database." + d.Name
		pool, uses := stated(id+".pool", float64(max(d.Pool, 0)), "connections", at(d.PoolRange, d.Range)), z.uses(d)
		limit := stated(id+".max_connections", float64(max(d.MaxConnections, 0)), "connections", at(d.MaxConnectionsRange, d.Range))
		if d.Engine == spec.EngineSQLite {
			z.b.Databases = append(z.b.Databases, DatabaseBudget{Database: d.Name,
				Connections: figure(id+".connections", "Connections to "+d.Name, "connections", pool.Value*uses.Value,
					"pool x uses, to a file of this appliance", pool, uses),
				Limit: figure(id+".limit", "Connections "+d.Name+" takes", "connections", 0, "a file has no limit", limit)})
			continue
		}
		appliances := stated(id+".appliances", float64(max(d.Appliances, 1)), "appliances", at(d.AppliancesRange, d.Range))
		restarting := Input{Name: "restarting", Value: 1, Unit: "appliances",
			Source: "while one appliance restarts sbcd, its old and its new process are connected at once; appliances restart one after the other"}
		n := figure(id+".connections", "Connections to "+d.Name, "connections", pool.Value*uses.Value*(appliances.Value+restarting.Value),
			"pool x uses x (appliances + restarting); workers have none of their own", pool, uses, appliances, restarting)
		reserved := Input{Name: "reserved", Value: reservedConnections, Unit: "connections", Source: "PostgreSQL: superuser_reserved_connections"}
		b := DatabaseBudget{Database: d.Name, Connections: n,
			Limit: figure(id+".limit", "Connections "+d.Name+" takes", "connections", 0, "max_connections is not stated", limit)}
		if limit.Value > 0 {
			b.Limit = figure(id+".limit", "Connections "+d.Name+" takes", "connections", limit.Value,
				"max_connections; the reserved ones are not ours", limit, reserved)
			z.databaseFinding(d, n.Value, pool.Value*uses.Value*appliances.Value, max(limit.Value-reserved.Value, 0))
		}
		z.b.Databases = append(z.b.Databases, b)
	}
}

// databaseFinding compares: without room for all appliances the last one does not
// start, without room for a restart the new process waits for the old one to end.
func (z *sizer) databaseFinding(d *spec.Database, restarting, steady, limit float64) {
	if restarting <= limit {
		return
	}
	f := struct{ severity, summary, what string }{SeverityWarning, "No room for a restart in the database",
		"while one appliance restarts, its old and new process are connected at once, and the new one may be refused"}
	if steady > limit {
		f.severity, f.summary, f.what = SeverityError, "More connections than the database takes", "the last ones to connect are refused"
	}
	uses := "uses"
	if len(d.Pools) == 1 {
		uses = "use"
	}
	z.find("database.connections."+d.Name, f.severity, at(d.MaxConnectionsRange, d.Range), f.summary,
		"Database %q gets %s connections: a pool of %d for %d %s (%s), on %d appliances and once more while one restarts. Of its max_connections of %d, %d are kept for administrators: %s. Raise max_connections of the server to %s and state it here, or lower pool.",
		d.Name, Count(restarting), d.Pool, len(d.Pools), uses, list(d.Pools), max(d.Appliances, 1), d.MaxConnections, min(reservedConnections, d.MaxConnections), f.what, digits(restarting+reservedConnections))
}

// uses is how many parts of the appliance have a pool of the database.
func (z *sizer) uses(d *spec.Database) Input {
	in := stated("database."+d.Name+".uses", float64(len(d.Pools)), "pools", d.Range)
	if len(d.Pools) > 0 {
		in.Source += ": " + list(d.Pools)
	}
	return in
}

// pool is how many connections this appliance has to the database.
func (z *sizer) pool(d *spec.Database) Input {
	return stated("database."+d.Name+".pool x uses", float64(max(d.Pool, 0)*len(d.Pools)), "connections", d.Range)
}
