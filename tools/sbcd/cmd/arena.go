package cmd

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"trunkline/appliance/runtime"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/engine"
	"trunkline/proxy/route"
	"trunkline/proxy/shm"
)

// newEngine makes the engine on the arena that a process before this one left, or on a new
// one: when nothing was left, or nothing that this program with this configuration can go on
// with, which is logged. left is the file of the arena; nil: there is none.
func newEngine(cfg *runtime.Appliance, router *route.Router, sets *dispatch.Sets, left *os.File, log *slog.Logger) (*engine.Engine, *shm.Arena, error) {
	o := shm.Options{HugePages: cfg.State.HugePages}
	var err error
	if o.Binding, err = binding(cfg); err != nil {
		return nil, nil, err
	}
	if left != nil {
		eng, arena, err := adopt(cfg, router, sets, left, o, log)
		if err == nil {
			return eng, arena, nil
		}
		log.Warn("calls in progress go on without their state", "error", err)
	}
	arena, err := shm.Create(o)
	if err != nil {
		return nil, nil, err
	}
	eng, err := engine.New(cfg, router, sets, arena, log)
	if err != nil {
		_ = arena.Close()
		return nil, nil, err
	}
	return eng, arena, nil
}

func adopt(cfg *runtime.Appliance, router *route.Router, sets *dispatch.Sets, left *os.File, o shm.Options, log *slog.Logger) (*engine.Engine, *shm.Arena, error) {
	arena, err := shm.Adopt(left, o)
	if err != nil {
		return nil, nil, err
	}
	eng, err := engine.New(cfg, router, sets, arena, log)
	if err != nil {
		_ = arena.Close()
		return nil, nil, err
	}
	if r := eng.Stats().Recovered; r != nil {
		log.Info("calls in progress go on", "calls", r.Calls, "transactions", r.Transactions, "restored", r.Restored, "broken", r.Broken, "dropped", r.Dropped, "process", r.Generation)
	}
	return eng, arena, nil
}

// binding is the digest of a configuration: rows refer to its listeners, dispatcher sets and
// destinations by their places in it.
func binding(cfg *runtime.Appliance) ([32]byte, error) {
	b, err := json.Marshal(cfg)
	if err != nil {
		return [32]byte{}, fmt.Errorf("digest of the configuration: %w", err)
	}
	return sha256.Sum256(b), nil
}
