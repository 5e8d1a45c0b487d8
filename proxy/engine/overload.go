package engine

import (
	"context"
	"sync"
	"time"

	"trunkline/proxy/listen"
	"trunkline/proxy/overload"
)

// OverloadStats say which share of new calls a listener refuses because its workers do
// not keep up, and how long messages wait there (package overload).
type OverloadStats struct {
	Refused float64       `json:"refused"` // share of new calls, 0 to 1, at the worst worker
	Wait    time.Duration `json:"wait_ns"` // of a message before it is handled, at the worst worker
}

// watcher looks at how the workers keep up, and sets their gates. One goroutine runs it.
type watcher struct {
	e         *Engine
	listeners []watched
	scheduler *overload.Scheduler
	process   *overload.Control // by the wait for a processor, for all workers
	backlogs  []listen.Backlog  // scratch

	mu      sync.Mutex // guards what follows
	figures []OverloadStats
}

// watched is one listener.
type watched struct {
	name    string
	group   group
	workers []*worker
	queues  []overload.Queue
	control []*overload.Control // of each socket; of a steered listener the first is for all
	steered bool
	refuses bool // the log was told so
}

func newWatcher(e *Engine) *watcher {
	return &watcher{e: e, scheduler: overload.NewScheduler(), process: overload.NewControl(e.marksOfLoad()), figures: make([]OverloadStats, len(e.cfg.Listeners))}
}

func (e *Engine) marksOfLoad() overload.Marks { return overload.MarksOf(e.cfg.Transaction.T1.D()) }

// add has a listener watched, whose worker k is workers[k].
func (wa *watcher) add(g group, workers []*worker, steered bool) {
	l := watched{name: g.Name(), group: g, workers: workers, queues: make([]overload.Queue, len(workers)), steered: steered}
	for range workers {
		l.control = append(l.control, overload.NewControl(wa.e.marksOfLoad()))
	}
	wa.listeners = append(wa.listeners, l)
}

// run looks every overload.Period until ctx ends.
func (wa *watcher) run(ctx context.Context) {
	t := time.NewTicker(overload.Period)
	defer t.Stop()
	last := wa.e.clock()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := wa.e.clock()
		wa.look(now - last)
		last = now
	}
}

// look takes one sample of everything.
func (wa *watcher) look(period time.Duration) {
	wait := wa.scheduler.Look()
	all := wa.process.Look(wait, false)
	for i := range wa.listeners {
		l := &wa.listeners[i]
		worst := wa.queues(l, period, all, wait)
		wa.mu.Lock()
		wa.figures[i] = worst
		wa.mu.Unlock()
		wa.tell(l, worst)
	}
}

// queues looks at the receive queues of a listener, where it has any, and sets the gates
// of its workers to what they call for, or to all where that is more.
func (wa *watcher) queues(l *watched, period time.Duration, all int, wait time.Duration) OverloadStats {
	most := all
	wa.backlogs = l.group.backlogs(wa.backlogs[:0])
	longest, lost := time.Duration(0), false
	for k, b := range wa.backlogs {
		w, gone := l.queues[k].Look(overload.Sample{Handled: b.Packets, Empty: b.Empty, Drops: b.Drops, Waiting: b.Waiting}, period)
		longest, lost = max(longest, w), lost || gone
		if !l.steered {
			share := max(l.control[k].Look(w, gone), all)
			l.workers[k].gate.Refuse(share)
			most = max(most, share)
		}
	}
	if l.steered || len(wa.backlogs) == 0 {
		// Workers of a steered listener share what comes in by any of its sockets.
		most = max(l.control[0].Look(longest, lost), all)
		for _, w := range l.workers {
			w.gate.Refuse(most)
		}
	}
	return OverloadStats{Refused: float64(most) / overload.Whole, Wait: max(longest, wait)}
}

// tell writes to the log when a listener begins to refuse calls, and when it has ended.
func (wa *watcher) tell(l *watched, s OverloadStats) {
	switch {
	case s.Refused > 0 && !l.refuses:
		wa.e.log.Warn("overload: new calls are refused in part", "listener", l.name, "wait", s.Wait, "share", s.Refused)
	case s.Refused == 0 && l.refuses:
		wa.e.log.Info("overload over: all new calls are taken", "listener", l.name)
	}
	l.refuses = s.Refused > 0
}

// stats are the last figures of listener i.
func (wa *watcher) stats(i int) OverloadStats {
	wa.mu.Lock()
	defer wa.mu.Unlock()
	return wa.figures[i]
}
