package spec

import "fmt"

// checkCaches resolves the databases caches come from.
func (d *decoder) checkCaches(s *Spec) {
	for _, c := range s.Caches {
		if c.Database == "" || c.Source == SourceFile {
			continue
		}
		d.checkDatabaseRef(s, fmt.Sprintf("cache %q", c.Name), c.Database, c.DatabaseRange)
		if db := database(s, c.Database); db != nil && db.Engine != "" && db.Engine != c.Source {
			d.errorf(c.DatabaseRange, "Database of another engine", "Database %q is %s (%s), and cache %q has source = %q. Write source = %q, or name another database.", db.Name, db.Engine, at(db.Range), c.Name, c.Source, db.Engine)
		}
	}
}

// database finds one by name; nil: there is none.
func database(s *Spec, name string) *Database {
	for _, db := range s.Databases {
		if db.Name == name {
			return db
		}
	}
	return nil
}
