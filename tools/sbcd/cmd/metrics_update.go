package cmd

import "trunkline/tools/sbcd/update"

// update shows what is known of updates.
func (g sink) update(u *update.Record) {
	g.gauge("trunkline_update_result", "1 for how the last look for an update ended, with the version announced.", 1,
		"result", string(u.Result), "kind", string(u.Kind), "announced", u.Announced)
	g.gauge("trunkline_update_failed", "1 when the last look for an update failed.", truth(u.Result == update.Failed))
	g.gauge("trunkline_update_waiting", "1 when an installed version waits for a restart.", truth(u.Waiting != ""))
	looked := 0.0
	if !u.Looked.IsZero() {
		looked = float64(u.Looked.Unix())
	}
	g.gauge("trunkline_update_last_look_timestamp_seconds", "When updates were looked for last, Unix time; 0: not since the boot.", looked)
}
