// Package overload decides which share of new calls a proxy that cannot keep up
// refuses, so that those it takes are served in time and those in progress are not
// harmed. It measures beside the path of messages and leaves one number per worker,
// which costs the path one atomic load.
//
// # What is measured
//
// The time a message waits before it is handled, every [Period], in two ways.
//
// [Queue] looks at a receive queue. A worker that has found its socket empty since the
// last look keeps up, however busy it is; the wait is 0. Of one that has not,
//
//	wait = min(time since the socket was last empty, packets waiting / packets handled x period)
//
// which is Little's law with what the worker handles as the rate. Packets the kernel
// dropped meanwhile are a loss.
//
// [Scheduler] looks at the whole process, and so at connections, whose readers are
// goroutines: the wait is the 90th percentile of the time goroutines that could run have
// waited for a processor since the last look (runtime/metrics, /sched/latencies:seconds).
//
// The share of CPU decides nothing: a worker at 98 % that finds its socket empty a
// thousand times a second serves every call, and refusing some would waste it.
//
// # What is decided
//
// A request over UDP that waits longer than T1 is sent again before its 100 is on the wire
// (RFC 3261 17.1.1.2), and from there on load makes load; RFC 6357 section 1 describes the
// collapse. [MarksOf] therefore has a share of new calls refused from a wait of T1/2, which leaves the
// network as much, every one from T1 on and when packets are lost, and fewer again from
// T1/10 downward. Between T1/10 and T1/2 the share stays. Both marks are 250 ms and 50 ms
// with the T1 of RFC 3261. One look over a mark is a pause, not overload: it takes two in a row. Above the
// mark each look refuses a quarter of what is still let in; below the lower one each look
// lets in a sixteenth of all more. [Control] holds that rule. Its test runs it against a queue
// whose worker spends on a refusal a sixth of what it spends on a call: offered 2.5 times what it
// bears, it takes above 80 % of the calls that fit, and none waits longer than T1. Where
// refusing alone is more than a worker bears, nothing here helps; the firewall's meters and the
// limits are for that.
//
// Which calls the share refuses is decided by a keyed hash of their transaction, so that a
// repeated INVITE meets the same answer as the first, and nobody can choose theirs.
package overload
