package media

import "sync/atomic"

const (
	deleteGiveUp = int64(60e9) // as long as rtpengine hears no media of a call until it ends it (timeout)
	deleteSlow   = int64(5e9)  // the longest pause between two
	deleteBurst  = 256         // sent at one look
)

// deleteRow is a delete that is not answered yet: the session, and 1 when there is one. The
// session is stored first, so that a row is whole or free.
type deleteRow struct {
	session atomic.Uint64
	there   atomic.Uint64
}

// deletes are those of one lane, whose lock guards them.
type deletes struct {
	rows  []deleteRow
	more  []deleteState // beside each row
	free  []uint32
	alive []uint32
	buf   []byte
	base  int // of the numbers of this lane's rows, which no other lane has
}

type deleteState struct {
	gen        uint32
	place      uint32 // in alive
	began, due int64  // 0: not sent yet
	step       int64
	there      bool
}

func (d *deletes) init(rows []deleteRow, base int, adopted bool) {
	d.base = base
	d.rows, d.more = rows, make([]deleteState, len(rows))
	d.free, d.alive = make([]uint32, 0, len(rows)), make([]uint32, 0, len(rows))
	for i := len(rows) - 1; i >= 0; i-- {
		if adopted && rows[i].there.Load() == 1 {
			d.begin(uint32(i))
			continue
		}
		rows[i].there.Store(0)
		d.free = append(d.free, uint32(i))
	}
}

func (d *deletes) begin(i uint32) {
	m := &d.more[i]
	m.gen++
	m.place, m.began, m.due, m.step, m.there = uint32(len(d.alive)), 0, 0, 0, true
	d.alive = append(d.alive, i)
}

// end frees a row.
func (d *deletes) end(i uint32) {
	m := &d.more[i]
	last := d.alive[len(d.alive)-1]
	d.alive[m.place] = last
	d.more[last].place = m.place
	d.alive = d.alive[:len(d.alive)-1]
	m.there = false
	d.rows[i].there.Store(0)
	d.free = append(d.free, i)
}

// answered ends the delete that an answer is for, and says when it was sent first.
func (d *deletes) answered(index int, gen uint32) (began int64, ok bool) {
	if index -= d.base; index < 0 || index >= len(d.more) || !d.more[index].there || d.more[index].gen != gen {
		return 0, false
	}
	began = d.more[index].began
	d.end(uint32(index))
	return began, true
}

// look sends what is due.
func (d *deletes) look(l *lane, now int64) {
	sent := 0
	for k := 0; k < len(d.alive) && sent < deleteBurst; {
		i := d.alive[k]
		m := &d.more[i]
		switch {
		case m.due > now:
			k++
			continue
		case m.began == 0:
			m.began, m.step = max(now, 1), int64(l.c.timeout)
		case now-m.began >= deleteGiveUp:
			l.took(Delete, Lost, 0)
			d.end(i)
			continue
		default:
			l.inst.repeats.Add(1)
			m.step = min(2*m.step, deleteSlow)
		}
		m.due = now + m.step
		b := l.c.appendCookie(d.buf[:0], command(kindDelete, uint64(m.gen), uint64(d.base)+uint64(i)))
		d.buf = l.c.appendDelete(b, d.rows[i].session.Load())
		l.write(d.buf)
		sent++
		k++
	}
}

// remove queues the delete of a session. When there is no row for it, it is counted and rtpengine
// ends the session by its own timeout.
func (l *lane) remove(session uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := &l.deletes
	n := len(d.free)
	if n == 0 {
		l.c.deletesLost.Add(1)
		return
	}
	i := d.free[n-1]
	d.free = d.free[:n-1]
	d.rows[i].session.Store(session)
	d.rows[i].there.Store(1)
	d.begin(i)
}

func (l *lane) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.deletes.alive)
}
