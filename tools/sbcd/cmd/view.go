package cmd

import (
	"sync/atomic"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/engine"
	"trunkline/proxy/warm"
)

// Status is what the control API answers for /v1/status.
type Status struct {
	Name          string        `json:"name"`
	Site          string        `json:"site,omitempty"`
	Version       string        `json:"version"`
	SpecDigest    string        `json:"spec_digest"`
	UptimeSeconds float64       `json:"uptime_seconds"` // of this process
	Ready         bool          `json:"ready"`          // READY=1 was sent and nothing has begun to stop
	Caches        []warm.Status `json:"caches"`
	// Engine is absent until the listeners are bound.
	Engine *engine.Stats `json:"engine,omitempty"`
}

// view is a proxy as its control API sees it, from before its listeners are bound.
type view struct {
	cfg    *runtime.Appliance
	start  time.Time
	ready  atomic.Bool
	warmer *warm.Warmer
	engine atomic.Pointer[engine.Engine]
}

func (v *view) status() Status {
	s := Status{
		Name: v.cfg.Name, Site: v.cfg.Site, Version: version, SpecDigest: v.cfg.SpecDigest,
		UptimeSeconds: time.Since(v.start).Seconds(), Ready: v.ready.Load(), Caches: v.warmer.Status(),
	}
	if e := v.engine.Load(); e != nil {
		st := e.Stats()
		s.Engine = &st
	}
	return s
}
