package cmd

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/proxy/engine"
	"trunkline/proxy/preflight"
	"trunkline/proxy/resolve"
	"trunkline/proxy/warm"
	"trunkline/tools/sbcd/update"
)

// Status is what the control API answers for /v1/status.
type Status struct {
	Name         string `json:"name"`
	Site         string `json:"site,omitempty"`
	Version      string `json:"version"`
	SpecDigest   string `json:"spec_digest"`
	Image        string `json:"image,omitempty"` // digest of the booted image; absent outside of one
	ImageVersion string `json:"image_version,omitempty"`
	// Preflight is what was found when the machine was compared with the plan's; absent
	// outside of an appliance.
	Preflight *preflight.Report `json:"preflight,omitempty"`
	// Memory is that of the machine; absent outside of an image.
	Memory        *Memory `json:"memory,omitempty"`
	UptimeSeconds float64 `json:"uptime_seconds"` // of this process
	Ready         bool    `json:"ready"`          // READY=1 was sent, nothing has begun to stop and it does not drain
	// Update is what is known of updates; absent when the spec asks for none.
	Update *update.Record `json:"update,omitempty"`
	// Boot is what is known of the image's trial, or of one the machine fell back from;
	// absent outside of an image and when it was booted from no disk.
	Boot *runtime.Boot `json:"boot,omitempty"`
	// Drain is how far a drain is; absent while none is under way.
	Drain  *DrainStatus  `json:"drain,omitempty"`
	Caches []warm.Status `json:"caches"`
	// Names are the figures of the resolver; absent without destinations by name.
	Names *resolve.Stats `json:"names,omitempty"`
	// Engine is absent until the listeners are bound.
	Engine *engine.Stats `json:"engine,omitempty"`
}

// view is a proxy as its control API sees it, from before its listeners are bound.
type view struct {
	cfg       *runtime.Appliance // as it runs here
	preflight *preflight.Report  // may be nil
	image     string             // digest of the booted image, may be empty
	// imageVersion orders updates; empty outside of an image.
	imageVersion string
	bootFile     string // runtime.BootPath
	start        time.Time
	ready        atomic.Bool
	warmer       *warm.Warmer
	names        *resolve.Names // nil: no destination is by name
	engine       atomic.Pointer[engine.Engine]
	drain        *drain
}

// watch feeds the watchdog of the service manager until the function it returns is called, which
// waits for the last look at the proxy.
func watch(ctx context.Context, note *control.Notifier, v *view) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		note.Watchdog(ctx, v.alive)
	}()
	return func() {
		cancel()
		<-done
	}
}

// alive is the probe of the watchdog: that what the proxy counts can be read.
func (v *view) alive(context.Context) error {
	if e := v.engine.Load(); e != nil {
		e.Stats()
	}
	return nil
}

func (v *view) status() Status {
	s := Status{
		Name: v.cfg.Name, Site: v.cfg.Site, Version: version, SpecDigest: v.cfg.SpecDigest, Image: v.image, ImageVersion: v.imageVersion, Preflight: v.preflight,
		UptimeSeconds: time.Since(v.start).Seconds(), Ready: v.ready.Load(), Caches: v.warmer.Status(),
	}
	if v.image != "" {
		s.Memory = machineMemory()
	}
	if v.cfg.Update != nil {
		s.Update = lastLook(update.RecordPath)
	}
	// Written by another process, once or twice in the life of a boot.
	s.Boot, _ = runtime.ReadBoot(v.bootFile)
	if v.names != nil {
		st := v.names.Stats()
		s.Names = &st
	}
	if e := v.engine.Load(); e != nil {
		st := e.Stats()
		s.Engine = &st
	}
	if s.Drain = v.drain.status(s.Engine); s.Drain != nil {
		s.Ready = false
	}
	return s
}

// lastLook is what the last look for an update found.
func lastLook(path string) *update.Record {
	r, err := update.ReadRecord(path)
	switch {
	case err != nil:
		return &update.Record{Result: update.Failed, Kind: update.Disk, Error: err.Error()}
	case r == nil:
		return &update.Record{Result: update.NotYet}
	}
	return r
}

// bootedImage is the digest of the image this machine was booted from, as its
// kernel was told; empty where nobody told it.
func bootedImage() string {
	b, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return "" // no proc: not on an appliance
	}
	return runtime.ImageDigest(string(b))
}

// bootedVersion is the version of the image this machine was booted from; empty on a
// system that is none.
func bootedVersion() string {
	b, err := os.ReadFile(runtime.ReleasePath)
	if err != nil {
		return ""
	}
	_, version := runtime.ImageRelease(string(b))
	return version
}
