package media

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/shm"
)

const (
	// lanesEach is how many sockets of ours an instance has at least, so that workers seldom
	// wait for each other.
	lanesEach = 4
	// jobsEach is how many messages wait at one time for each of them.
	jobsEach = 512
	// bytesEach bounds their messages and commands.
	bytesEach = 8 << 20
	// maxInstances is how many a row can tell apart.
	maxInstances = 255
)

// Config is what a client is made of.
type Config struct {
	Media *runtime.Media
	Calls int        // rows of the table of calls
	Arena *shm.Arena // holds sessions and deletes; nil: they end with the process
	Log   *slog.Logger
	// Done goes on with a job that is over. It is called by the goroutine of a lane (0 to
	// Lanes-1), one at a time for each; the job is free when it returns.
	Done func(lane int, j *Job)
}

// Client speaks with the instances.
type Client struct {
	identity, process uint64
	next              bool // on_fail
	timeout           time.Duration
	instances         []*instance
	lanes             []*lane
	rows              rows
	done              func(int, *Job)
	log               *slog.Logger
	start             time.Time

	deletesLost, movedAway atomic.Uint64
}

// New makes a client; it opens nothing yet. It takes its regions of the arena: those of the
// sessions and of the deletes.
func New(cfg Config) (*Client, error) {
	m := cfg.Media
	if len(m.Instances) == 0 || len(m.Instances) > maxInstances {
		return nil, fmt.Errorf("media: %d instances are configured, 1 to %d work", len(m.Instances), maxInstances)
	}
	c := &Client{next: m.OnFail != "reject", timeout: max(m.Timeout.D(), 10*time.Millisecond), done: cfg.Done, log: cfg.Log, start: time.Now()}
	if c.done == nil {
		c.done = func(int, *Job) {}
	}
	identity, err := shm.Take[atomic.Uint64](cfg.Arena, "media identity", 1)
	if err != nil {
		return nil, err
	}
	if identity[0].Load() == 0 {
		identity[0].Store(random() | 1)
	}
	c.identity, c.process = identity[0].Load(), random()
	if c.rows, err = newRows(cfg.Arena, cfg.Calls); err != nil {
		return nil, err
	}
	for n, x := range m.Instances {
		if len(x.Control) == 0 {
			return nil, fmt.Errorf("media: instance %s has no control socket", x.Name)
		}
		i := &instance{name: x.Name, control: x.Control, weight: float64(max(x.Weight, 1)), max: int64(x.MaxSessions), hash: mix(hashOf([]byte(x.Name)))}
		for k := range max(lanesEach, len(x.Control)) {
			l := &lane{c: c, at: n, inst: i, number: len(c.lanes), control: x.Control[k%len(x.Control)], fd: -1}
			l.jobs = make([]Job, jobsEach)
			for at := range l.jobs {
				j := &l.jobs[at]
				j.index, j.home = at+len(c.lanes)*jobsEach, l
				l.free = append(l.free, j)
			}
			i.lanes = append(i.lanes, l)
			c.lanes = append(c.lanes, l)
		}
		c.instances = append(c.instances, i)
	}
	per := DeleteRows(cfg.Calls) / len(c.lanes)
	deletes, err := shm.Take[deleteRow](cfg.Arena, "media deletes", per*len(c.lanes))
	if err != nil {
		return nil, err
	}
	for k, l := range c.lanes {
		l.deletes.init(deletes[k*per:(k+1)*per], k*per, cfg.Arena.Adopted())
	}
	return c, nil
}

// DeleteRows is how many deletes may wait for their answers: what a quarter of the calls leaves
// within the minute for which they are repeated, and at least 4,096.
func DeleteRows(calls int) int { return 4096 + calls/4 }

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.BigEndian.Uint64(b[:])
}

// tell has the log know of an instance that went down or came up.
func (c *Client) tell(i *instance) {
	down := i.down.Load()
	if down == i.told {
		return
	}
	i.told = down
	if down {
		c.log.Warn("media instance is down: new calls go elsewhere", "instance", i.name)
	} else {
		c.log.Info("media instance is up", "instance", i.name)
	}
}

// Lanes is how many goroutines Run has.
func (c *Client) Lanes() int { return len(c.lanes) }

// now is the client's clock, ns.
func (c *Client) now() int64 { return int64(time.Since(c.start)) }

// lane is the one by which the commands of a session go, so that they keep their order.
func (c *Client) lane(instance int, session uint64) *lane {
	lanes := c.instances[instance].lanes
	return lanes[mix(session)%uint64(len(lanes))]
}

// Open makes the sockets, all or none.
func (c *Client) Open() error {
	for _, l := range c.lanes {
		if err := l.open(); err != nil {
			c.Close()
			return fmt.Errorf("media: instance %s: socket towards %s: %w", l.inst.name, l.control, err)
		}
	}
	return nil
}

// Close closes the sockets; Run returns.
func (c *Client) Close() {
	for _, l := range c.lanes {
		l.close()
	}
}

// Run reads answers, repeats what has none and calls Done, until ctx ends or Close. Open comes
// first.
func (c *Client) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, l := range c.lanes {
		wg.Go(l.run)
	}
	stop := context.AfterFunc(ctx, c.Close)
	defer stop()
	wg.Wait()
}

// Finish waits until every delete is answered or given up, or ctx ends.
func (c *Client) Finish(ctx context.Context) error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for {
		n := 0
		for _, l := range c.lanes {
			n += l.pending()
		}
		if n == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d media sessions were not deleted: %w", n, ctx.Err())
		case <-t.C:
		}
	}
}

// Take gives a job for a call, nil when there is no room or no instance takes the call. It
// neither waits nor allocates.
func (c *Client) Take(session uint64, row int, callID []byte) *Job {
	call := hashOf(callID)
	at := c.Session(session, row).Instance
	if at < 0 {
		if at = c.pick(call, &tried{}); at < 0 {
			return nil
		}
	}
	j := c.lane(at, session).take()
	if j == nil {
		return nil
	}
	j.Session, j.Row, j.call = session, row, call
	return j
}

// pick chooses an instance as on_fail says.
func (c *Client) pick(call uint64, except *tried) int {
	if c.next {
		return c.choose(call, except)
	}
	best := c.first(call)
	if !c.instances[best].takesMore() || except.has(best) {
		return -1
	}
	return best
}

// Describe sends a description to the instance of the job's session: an offer or an answer of one
// side. The first offer chooses the instance; one whose instance is down goes to another. It
// reports false when nobody can be asked; then the job is free.
func (c *Client) Describe(j *Job, verb Verb, from Side, sdp []byte) bool {
	at := c.Session(j.Session, j.Row).Instance
	if verb == Offer && (at < 0 || c.next && c.instances[at].down.Load()) {
		if to := c.pick(j.call, &j.tried); to >= 0 && to != at {
			if !c.relocate(j, at, to) {
				to = c.Session(j.Session, j.Row).Instance // another message of the call was first, or the call has ended
			}
			at = to
		}
	}
	if at < 0 {
		j.home.give(j)
		return false
	}
	j.Verb, j.from = verb, from
	j.text = append(j.text[:0], sdp...)
	if !c.lane(at, j.Session).submit(j) {
		j.home.give(j)
		return false
	}
	return true
}

// Hold has a job wait for those of its order that are under way, and for nothing else. It
// reports false when it cannot; then the job is free.
func (c *Client) Hold(j *Job) bool {
	at := c.Session(j.Session, j.Row).Instance
	j.Verb = Held
	if at < 0 || !c.lane(at, j.Session).submit(j) {
		j.home.give(j)
		return false
	}
	return true
}

// Drop gives a job back that was taken and not handed on.
func (c *Client) Drop(j *Job) { j.home.give(j) }

// relocate moves a job's session; what the instance of before may have of it is deleted.
func (c *Client) relocate(j *Job, from, to int) bool {
	if !c.move(j.Session, j.Row, from, to) {
		return false
	}
	if from >= 0 {
		c.movedAway.Add(1)
		c.lane(from, j.Session).remove(j.Session)
	}
	return true
}

// complete is the end of a job: it goes to another instance, or to Done.
func (c *Client) complete(l *lane, j *Job) {
	if j.Verb == Offer && (j.Result == Lost || j.Result == Full) && c.next {
		j.tried.add(l.at)
		to := c.choose(j.call, &j.tried)
		if to >= 0 && c.relocate(j, l.at, to) {
			j.gen++
			j.repeated, j.done, j.Result = false, false, OK
			if c.lane(to, j.Session).submit(j) {
				return
			}
			j.Result = Lost
		}
	}
	c.done(l.number, j)
	if j.Verb != Held && c.Session(j.Session, j.Row).Instance != l.at {
		// The call ended, or went elsewhere, before the command had come: a delete that went
		// before it has found nothing.
		l.remove(j.Session)
	}
	j.home.give(j)
}

// Recover puts what an adopted arena holds in order: sessions of live calls are counted, those
// of others are deleted. live is the number of the call that is in a row, 0: none; ended is the
// number of one that was in it, by its lowest 28 bits.
func (c *Client) Recover(live func(row int) uint64, ended func(row int, low uint32) uint64) (sessions, deleted int) {
	for row := range c.rows.words {
		v := c.rows.words[row].Load()
		at := sessionOf(v).Instance
		if at < 0 {
			continue
		}
		if at >= len(c.instances) {
			c.rows.words[row].Store(0)
			continue
		}
		if id := live(row); id != 0 && v>>genShift&genMask == id&genMask {
			c.instances[at].sessions.Add(1)
			sessions++
			continue
		}
		c.rows.words[row].Store(0)
		session := ended(row, uint32(v>>genShift&genMask))
		c.lane(at, session).remove(session)
		deleted++
	}
	return sessions, deleted
}
