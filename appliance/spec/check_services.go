package spec

// checkServices compares what stands beside the path of a message with the rest.
// What nothing uses is told of specs that are right alone: a name somewhere else
// may be the one that is misspelt.
func (d *decoder) checkServices(s *Spec) {
	d.checkDatabases(s)
	d.checkSockets(s)
	d.checkControl(s)
	d.checkUpdate(s)
	if !d.diags.HasErrors() {
		d.checkUnusedSecrets(s)
		d.checkUnusedDatabases(s)
	}
}
