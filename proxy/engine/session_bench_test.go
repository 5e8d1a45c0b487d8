package engine

import (
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// withSessions is a path with session timers, so that dialogs are kept, too.
func withSessions(cfg *runtime.Appliance) {
	cfg.Session = &runtime.Session{MinSE: duration(90 * time.Second), Expires: duration(30 * time.Minute), Insert: true}
}

// BenchmarkSessionCall is BenchmarkCall with session timers.
func BenchmarkSessionCall(b *testing.B) {
	p := newPath(b, withSessions)
	b.ReportAllocs()
	for b.Loop() {
		p.call(b)
	}
}
