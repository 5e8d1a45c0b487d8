package sizing

// Deletes that may wait: so many, and one for each so many calls.
const deletesLeast, callsOfDelete = 4096, 4

// mediaTables are what the arena has of calls' media: the session of each call, and the
// deletes that are not answered yet (proxy/media, DeleteRows).
func (z *sizer) mediaTables() []Table {
	if z.s.Media == nil || len(z.s.Media.Instances) == 0 {
		return nil
	}
	deletes := z.term(figure("media.deletes", "Deletes that may wait for their answers", "rows", deletesLeast+whole(z.b.Calls.Value/callsOfDelete),
		"4,096 + a quarter of the calls", of(z.b.Calls)))
	return []Table{
		z.table("media", z.b.Calls, z.c.in("media_row_bytes")),
		z.table("media-deletes", deletes, z.c.in("media_delete_bytes")),
	}
}

// mediaOfCall is what one call more takes of them, bytes.
func (z *sizer) mediaOfCall() float64 {
	if z.s.Media == nil || len(z.s.Media.Instances) == 0 {
		return 0
	}
	return z.c.at("media_row_bytes") + z.c.at("media_delete_bytes")/callsOfDelete
}
