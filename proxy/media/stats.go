package media

import "time"

// Stats are the figures of a client at one moment. Counters never fall; the rest are gauges.
type Stats struct {
	Instances []InstanceStats `json:"instances"`
	// Waiting are messages held until an instance has answered.
	Waiting int `json:"waiting"`
	// Deletes are sessions of ended calls whose instance has not answered their delete yet.
	Deletes int `json:"deletes"`
	// DeletesLost are those for which there was no row: rtpengine ends them by its timeout.
	DeletesLost uint64 `json:"deletes_lost"`
	// Moved are sessions that went to another instance.
	Moved uint64 `json:"moved"`
}

// InstanceStats are the figures of one rtpengine.
type InstanceStats struct {
	Name        string   `json:"name"`
	Control     []string `json:"control"`
	Up          bool     `json:"up"`
	Sessions    int64    `json:"sessions"`
	MaxSessions int64    `json:"max_sessions,omitempty"` // 0: no cap
	// Commands are those that are over, by verb and result.
	Commands map[string]map[string]uint64 `json:"commands"`
	Repeated uint64                       `json:"repeated"` // commands sent once more
	// Answered are commands with an answer, Seconds the sum of the times it took.
	Answered int64   `json:"answered"`
	Seconds  float64 `json:"seconds"`
}

// Stats reads the figures. It allocates; it is not for the path of a message.
func (c *Client) Stats() Stats {
	st := Stats{DeletesLost: c.deletesLost.Load(), Moved: c.movedAway.Load()}
	for _, l := range c.lanes {
		l.mu.Lock()
		st.Waiting += len(l.out)
		st.Deletes += len(l.deletes.alive)
		l.mu.Unlock()
	}
	for _, i := range c.instances {
		s := InstanceStats{Name: i.name, Up: !i.down.Load(), Sessions: i.sessions.Load(), MaxSessions: i.max, Commands: map[string]map[string]uint64{},
			Repeated: i.repeats.Load(), Answered: i.takes.Load(), Seconds: time.Duration(i.took.Load()).Seconds()}
		for _, a := range i.control {
			s.Control = append(s.Control, a.String())
		}
		for v := range Held {
			by := map[string]uint64{}
			for r := range numResults {
				by[r.String()] = i.counts[v][r].Load()
			}
			s.Commands[v.String()] = by
		}
		st.Instances = append(st.Instances, s)
	}
	return st
}
