package cmd

import "trunkline/proxy/dialog"

func (g sink) dialogs(d *dialog.Stats) {
	g.gauge("trunkline_dialogs", "Dialogs kept, of whose calls both sides get BYE when their session or lifetime is over.", float64(d.Kept))
	g.gauge("trunkline_dialogs_capacity", "Dialogs there are rows for.", float64(d.Capacity))
	g.gauge("trunkline_dialog_text_bytes", "Memory that the text of the dialogs takes.", float64(d.Bytes))
	g.gauge("trunkline_dialog_text_bytes_limit", "Memory that it may take.", float64(d.Limit))
	g.counter("trunkline_dialogs_lost_total", "Dialogs not kept, for want of room or of what it takes to send BYE.", d.Lost)
}
