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
			b.Limit = figure(id+".limit", "Connections "+d.Name+" takes", "connections", max(limit.Value-reserved.Value, 0),
				"max_connections - reserved", limit, reserved)
			z.databaseFinding(d, b, pool.Value*uses.Value*appliances.Value)
		}
		z.b.Databases = append(z.b.Databases, b)
	}
}

// databaseFinding compares: without room for all appliances the last one does not
// start, without room for a restart the new process waits for the old one to end.
func (z *sizer) databaseFinding(d *spec.Database, b DatabaseBudget, steady float64) {
	if b.Connections.Value <= b.Limit.Value {
		return
	}
	need := b.Connections.Value + reservedConnections
	f := struct{ severity, summary, what string }{SeverityWarning, "No room for a restart in the database",
		"while one appliance restarts, its old and new process are connected at once, and the new one may be refused"}
	if steady > b.Limit.Value {
		f.severity, f.summary, f.what = SeverityError, "More connections than the database takes", "the last ones to connect are refused"
	}
	z.find("database.connections."+d.Name, f.severity, at(d.MaxConnectionsRange, d.Range), f.summary,
		"Database %q gets %s connections: %d a use, %d uses (%s), %d appliances and one that restarts. It takes %s, and keeps %d of its %d for administrators: %s. Raise max_connections of the server to %s and state it here, or lower pool.",
		d.Name, Count(b.Connections.Value), d.Pool, len(d.Pools), list(d.Pools), max(d.Appliances, 1), Count(b.Limit.Value), min(reservedConnections, d.MaxConnections), d.MaxConnections, f.what, digits(need))
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
