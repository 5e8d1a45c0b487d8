package persist

import "context"

// Head says whose calls a store has.
type Head struct {
	// Binding stands for what the numbers in a call mean: listeners, destinations, limits, and the
	// layout of Record and Dialog.
	Binding [32]byte
	// Secret is the key of the hash that Key of a call is from: a later process finds its calls by it.
	Secret [16]byte
}

// Batch is what changed at one moment.
type Batch struct {
	Put  []Entry
	Gone []uint64
}

// Entry is one call, by its ID in the process that kept it.
type Entry struct {
	ID   uint64
	Call []byte // as Call.AppendTo has it
}

// Store is where calls are kept. Its methods are for one goroutine. An error leaves it as it
// was before, or as after the call.
type Store interface {
	// Load gives what was kept: the head and the calls after the last whole batch. ok is
	// false when there is nothing.
	Load(ctx context.Context) (h Head, calls map[uint64][]byte, ok bool, err error)
	// Begin has the store hold the calls of one batch and nothing else.
	Begin(ctx context.Context, h Head, b *Batch) error
	// Apply has the store hold one batch more.
	Apply(ctx context.Context, b *Batch) error
	// Name is "disk" or "database".
	Name() string
	Close() error
}
