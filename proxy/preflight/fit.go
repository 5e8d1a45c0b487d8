package preflight

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"trunkline/appliance/runtime"
)

// Fit plans a for a machine of so many hardware threads and so much memory, where those
// are less than it was planned for. It returns a copy and what differs in it, in one
// line; empty: nothing does.
func Fit(a *runtime.Appliance, threads int, memory uint64) (*runtime.Appliance, string, error) {
	r := a.Hardware.Resize
	if r == nil || len(r.Datagrams) != len(a.Listeners) {
		return nil, "", errors.New("the plan does not say how to resize: write mismatch = \"resize\" in hardware and build again")
	}
	out := *a
	out.Listeners = slices.Clone(a.Listeners)
	threads, memory = min(threads, a.Hardware.Threads), min(memory, a.Hardware.MemoryBytes)
	out.Hardware.Threads, out.Hardware.MemoryBytes = threads, memory
	if threads < a.Hardware.Threads {
		for i, n := range share(a.Listeners, r.Datagrams, threads) {
			l := &out.Listeners[i]
			l.Workers = min(l.Workers, n)
			l.SocketCount = min(l.SocketCount, n)
		}
		out.Hardware.NICs = queues(a.Hardware.NICs, threads)
	}
	if err := shrink(&out, r); err != nil {
		return nil, "", err
	}
	return &out, change(a, &out), nil
}

// share gives out one worker per hardware thread: each listener gets one, and the rest
// goes, one at a time, to whoever has the most datagrams per worker, as the plan does it.
func share(listeners []runtime.Listener, datagrams []float64, threads int) []int {
	n := make([]int, len(listeners))
	left := threads
	for i, l := range listeners {
		if n[i] = 1; datagrams[i] == 0 {
			n[i] = l.Workers
		}
		left -= n[i]
	}
	for ; left > 0; left-- {
		best, most := -1, 0.0
		for i := range listeners {
			if avg := datagrams[i] / float64(n[i]); avg > most {
				best, most = i, avg
			}
		}
		if best < 0 {
			break
		}
		n[best]++
	}
	return n
}

// queues leads interrupts and packets of threads that are not there to those that are.
func queues(nics []runtime.NIC, threads int) []runtime.NIC {
	out := slices.Clone(nics)
	for i := range out {
		out[i].Queues = slices.Clone(out[i].Queues)
		for j := range out[i].Queues {
			q := &out[i].Queues[j]
			q.CPU %= threads
			q.RPS = slices.Clone(q.RPS)
			for k := range q.RPS {
				q.RPS[k] %= threads
			}
			slices.Sort(q.RPS)
			q.RPS = slices.Compact(q.RPS)
		}
	}
	return out
}

// shrink gives the state of calls what the rest of the memory map leaves.
func shrink(a *runtime.Appliance, r *runtime.Resize) error {
	room := float64(a.Hardware.MemoryBytes)*(1-r.KernelShare) - float64(r.Other)
	for _, l := range a.Listeners {
		if l.Datagram() {
			room -= float64(l.Workers) * 2 * float64(l.RecvBuffer+l.SendBuffer) // the kernel doubles what is asked for
		}
	}
	st := &a.State
	planned := float64(st.BudgetBytes)
	left := math.Floor(room / (1 + r.Slack))
	if left >= planned {
		return nil
	}
	// What is kept for emergency calls stays whole.
	var e runtime.Emergency
	if a.Limits.Emergency != nil {
		e = *a.Limits.Emergency
	}
	k := left / planned
	calls := int(k*float64(st.Calls)) - e.Calls
	transactions := int(k*float64(st.Transactions)) - e.Transactions
	messages := k*float64(st.MessageBytes) - float64(e.MessageBytes)
	largest := 0
	for _, l := range a.Listeners {
		largest = max(largest, l.MaxMessage)
	}
	// A call needs its slot, one for each of INVITE, ACK and BYE, and room for a message
	// as long as one may be.
	if k <= 0 || calls < 1 || transactions < 3 || messages < float64(largest) {
		return fmt.Errorf("%s of memory carry no call: %s are needed beside the state of calls, and that has %s left of %s planned",
			mib(a.Hardware.MemoryBytes), mib(uint64(float64(a.Hardware.MemoryBytes)-math.Max(room, 0))), mib(uint64(math.Max(left, 0))), mib(st.BudgetBytes))
	}
	st.Calls, st.Transactions, st.MessageBytes = calls+e.Calls, transactions+e.Transactions, uint64(messages)+e.MessageBytes
	st.BudgetBytes = uint64(left)
	if less := uint64((planned - left) * r.Slack); st.ProcessMemory > less {
		st.ProcessMemory -= less
	}
	return nil
}

// change says what of the plan became less.
func change(before, after *runtime.Appliance) string {
	was, is := 0, 0
	for i, l := range before.Listeners {
		was, is = was+l.Workers, is+after.Listeners[i].Workers
	}
	b, a := before.State, after.State
	var out string
	if is < was {
		out = fmt.Sprintf("%d of %d workers", is, was)
	}
	if a.Calls < b.Calls {
		if out != "" {
			out += ", "
		}
		out += fmt.Sprintf("room for %d of %d calls, %d of %d transactions, %s of %s of state", a.Calls, b.Calls, a.Transactions, b.Transactions, mib(a.BudgetBytes), mib(b.BudgetBytes))
	}
	return out
}
