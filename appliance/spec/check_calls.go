package spec

// checkCalls resolves what listeners, caches, limits, state and messages name, and
// compares them with each other.
func (d *decoder) checkCalls(s *Spec) {
	d.checkListenerSecrets(s)
	d.checkCaches(s)
	d.checkLimits(s)
	d.checkPersistence(s)
	d.checkMessages(s)
}
