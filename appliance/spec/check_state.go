package spec

// checkPersistence resolves the database calls in progress are written to.
func (d *decoder) checkPersistence(s *Spec) {
	p := s.State.Persistence
	if p == nil || p.To != PersistDatabase {
		return
	}
	d.checkDatabaseRef(s, "persistence block", p.Database, p.DatabaseRange)
	if db := database(s, p.Database); db != nil && db.Engine == EngineSQLite {
		d.errorf(p.DatabaseRange, "Database of another engine", "Database %q is a file on the appliance (%s), which is what to = \"disk\" writes, without SQL in between. Write to = \"disk\", or name a postgres database.", db.Name, at(db.Range))
	}
}
