package ci

import (
	"context"
	"fmt"
	"net/netip"
	goruntime "runtime"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/proxy/route"
)

// The memory coefficients of the sizing model are what the proxy's own tables take.
// A coefficient below it promises memory that is not there; one far above it wastes
// the machine. Either way the fix is its value in appliance/sizing/coefficients.hcl.

// slack is how far above the measured figure a coefficient may lie.
const slack = 1.35

func checkCoefficient(t *testing.T, name string, measured float64) {
	t.Helper()
	c, ok := sizing.DefaultCoefficients().Get(name)
	if !ok {
		t.Fatalf("no coefficient %s", name)
	}
	t.Logf("%s: %.0f, measured %.1f", name, c.Value, measured)
	if measured > c.Value || measured*slack < c.Value {
		t.Errorf("%s is %.0f B, but the code takes %.1f B: set it to %.0f to %.0f in appliance/sizing/coefficients.hcl",
			name, c.Value, measured, measured, measured*slack)
	}
}

// heap is the live memory of the program, stacks included.
func heap() float64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&m)
	return float64(m.HeapAlloc) + float64(m.StackInuse)
}

// perRow is the most that one more row takes, over numbers of rows on both sides
// of a power of two: tables round up to it.
func perRow(t *testing.T, set func(*runtime.State, int)) float64 {
	t.Helper()
	return perRowOf(t, appliance(1, 1, 1), set)
}

func perRowOf(t *testing.T, a *runtime.Appliance, set func(*runtime.State, int)) float64 {
	t.Helper()
	allocated := func(rows int) float64 {
		set(&a.State, rows)
		before := heap()
		e, err := start(a)
		if err != nil {
			t.Fatal(err)
		}
		after := heap()
		goruntime.KeepAlive(e)
		return after - before
	}
	least := allocated(1024)
	worst := 0.0
	for _, rows := range []int{1 << 17, 1<<17 + 1024, 150_528, 200_704, 233_472} {
		worst = max(worst, (allocated(rows)-least)/float64(rows-1024))
	}
	return worst
}

func TestStateCoefficients(t *testing.T) {
	checkCoefficient(t, "transaction_slot_bytes", perRow(t, func(s *runtime.State, n int) { s.Transactions = n }))
	checkCoefficient(t, "call_slot_bytes", perRow(t, func(s *runtime.State, n int) { s.Calls = n }))
}

// Beside its rows a table takes room for each of its shards.
func TestShardCoefficient(t *testing.T) {
	allocated := func(workers int) (float64, int) {
		a := appliance(1, 1, 1)
		a.State.Transactions, a.Listeners[0].Workers = 1<<17, workers
		before := heap()
		e, err := start(a)
		if err != nil {
			t.Fatal(err)
		}
		after := heap()
		shards := e.Stats().Transactions.Shards
		goruntime.KeepAlive(e)
		return after - before, shards
	}
	few, least := allocated(1)
	many, most := allocated(64)
	checkCoefficient(t, "shard_bytes", (many-few)/float64(most-least))
}

// What session timers add to a call, whose dialog is kept.
func TestDialogCoefficient(t *testing.T) {
	timed := appliance(1, 1, 1)
	timed.Session = &runtime.Session{MinSE: runtime.Duration(90 * time.Second), Expires: runtime.Duration(1800 * time.Second), Insert: true}
	calls := func(s *runtime.State, n int) { s.Calls = n }
	checkCoefficient(t, "dialog_bytes", perRowOf(t, timed, calls)-perRow(t, calls))
}

// What calls that may fork add to a row, whatever the number of destinations.
func TestForkCoefficients(t *testing.T) {
	forks := func() *runtime.Appliance {
		a := appliance(1, 2, 1)
		a.Dispatchers[0].Algorithm = "parallel"
		return a
	}
	transactions := func(s *runtime.State, n int) { s.Transactions = n }
	calls := func(s *runtime.State, n int) { s.Calls = n }
	checkCoefficient(t, "fork_bytes", perRowOf(t, forks(), transactions)-perRow(t, transactions))
	checkCoefficient(t, "fork_call_bytes", perRowOf(t, forks(), calls)-perRow(t, calls))
}

// A table that replaces another lives beside it for a moment, so a row counts twice. What is
// planned for a table must be what it takes, within 5 %.
func TestCacheCoefficient(t *testing.T) {
	c, ok := sizing.DefaultCoefficients().Get("cache_row_bytes")
	if !ok {
		t.Fatal("no coefficient cache_row_bytes")
	}
	for _, rows := range []int{98_304, 100_000, 131_072, 1_000_000} {
		b := route.NewBuilder(rows)
		for i := range rows {
			if err := b.Add(fmt.Appendf(nil, "%015d", i*7919), 0); err != nil {
				t.Fatal(err)
			}
		}
		measured := 2 * float64(b.Table().Bytes()) / float64(rows)
		t.Logf("%d rows: %.2f B each, twice; planned %.2f", rows, measured, c.Value)
		if measured > 1.05*c.Value || measured < 0.95*c.Value {
			t.Errorf("a row takes %.2f B, twice, cache_row_bytes is %.2f: correct it in appliance/sizing/coefficients.hcl", measured, c.Value)
		}
	}
}

// checkWorker compares what the model counts for a worker: its own buffers, and a
// batch of the largest datagrams.
func checkWorker(t *testing.T, measured float64) {
	t.Helper()
	c := sizing.DefaultCoefficients()
	own, _ := c.Get("worker_bytes")
	batch, ok := c.Get("worker_batch")
	if !ok {
		t.Fatal("no coefficient worker_batch")
	}
	value := own.Value + batch.Value*65507
	t.Logf("a worker: %.0f, measured %.1f", value, measured)
	if measured > value || measured*slack < value {
		t.Errorf("worker_bytes and worker_batch give %.0f B, but a worker takes %.1f B: correct them in appliance/sizing/coefficients.hcl", value, measured)
	}
}

// A worker is measured as it waits for its first packet; the two buffers it writes
// messages into grow from 8 KiB to the largest message.
func TestWorkerCoefficient(t *testing.T) {
	run := func(workers int) float64 {
		a := appliance(1, 1, 1)
		a.Listeners[0].Workers, a.Listeners[0].SocketCount = workers, workers
		a.Listeners[0].Address = netip.MustParseAddrPort("127.77.0.1:35060")
		before, goroutines := heap(), goruntime.NumGoroutine()
		e, err := start(a)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		if err := e.Bind(); err != nil {
			t.Fatal(err)
		}
		go func() { done <- e.Run(ctx) }()
		for end := time.Now().Add(time.Minute); goruntime.NumGoroutine() < goroutines+workers+1; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the workers did not start")
			}
		}
		time.Sleep(50 * time.Millisecond) // for the buffers of the last one
		after := heap()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		goruntime.KeepAlive(e)
		return after - before
	}
	const more = 64
	waiting := (run(1+more) - run(1)) / more
	checkWorker(t, waiting+2*(65535-8192))
}
