package media

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Kinds of commands, in the highest bits of the second half of a cookie.
const (
	kindJob uint64 = iota + 1
	kindDelete
	kindPing
)

// command is the second half of a cookie, which no other command of this process has: rtpengine
// answers a cookie that it knows as it did before.
func command(kind, gen, index uint64) uint64 { return kind<<60 | gen&(1<<32-1)<<24 | index&(1<<24-1) }

// lane is one socket of ours towards a control socket of an instance, with the messages that
// wait for it. Workers send by it; one goroutine reads.
type lane struct {
	c       *Client
	at      int // of the instance
	inst    *instance
	number  int
	control netip.AddrPort

	mu      sync.Mutex
	fd      int // -1: closed
	file    *os.File
	jobs    []Job
	free    []*Job
	out     []*Job // handed in, in that order
	bytes   int
	deletes deletes
	ready   []*Job // of the goroutine that reads

	pinged  int64 // when, ns
	pingGen uint64
	waits   bool // for the answer to a ping
}

// tick is how often a lane looks at what has no answer.
func (c *Client) tick() time.Duration {
	return min(max(c.timeout/8, 5*time.Millisecond), 25*time.Millisecond)
}

func (l *lane) open() error {
	family, sa := unix.AF_INET, unix.Sockaddr(nil)
	if a := l.control.Addr().Unmap(); a.Is4() {
		sa = &unix.SockaddrInet4{Port: int(l.control.Port()), Addr: a.As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(l.control.Port()), Addr: a.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(fd, sa); err != nil {
		_ = unix.Close(fd)
		return err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20) // as much as the kernel allows
	l.mu.Lock()
	l.fd, l.file = fd, os.NewFile(uintptr(fd), "ng")
	l.mu.Unlock()
	return nil
}

func (l *lane) close() {
	l.mu.Lock()
	f := l.file
	l.fd, l.file = -1, nil
	l.mu.Unlock()
	if f != nil {
		_ = f.Close()
	}
}

// write sends without waiting. What does not leave is repeated. The lane is locked.
func (l *lane) write(b []byte) {
	if l.fd < 0 {
		return
	}
	if _, err := unix.Write(l.fd, b); err == unix.ECONNREFUSED { // of a datagram before
		_, _ = unix.Write(l.fd, b)
	}
}

func (l *lane) take() *Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free)
	if n == 0 || l.bytes > bytesEach {
		return nil
	}
	j := l.free[n-1]
	l.free = l.free[:n-1]
	return j
}

func (l *lane) give(j *Job) {
	j.clean()
	l.mu.Lock()
	l.free = append(l.free, j)
	l.mu.Unlock()
}

// submit hands a job in. It reports false when the lane is closed.
func (l *lane) submit(j *Job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return false
	}
	j.lane, j.began = l, l.c.now()
	if j.Verb == Held {
		j.done = true
	} else {
		j.command = l.c.appendCookie(j.command[:0], command(kindJob, uint64(j.gen), uint64(j.index)))
		j.command = l.c.appendDescribe(j.command, j.Verb, j.Session, j.from, j.Family, j.text)
		l.write(j.command)
	}
	j.held = len(j.command) + len(j.Packet)
	l.bytes += j.held
	l.out = append(l.out, j)
	if j.Verb == Held && !l.behind(len(l.out)-1) {
		_ = l.file.SetReadDeadline(time.Now()) // nobody's answer will bring it out
	}
	return true
}

// behind reports whether a job of the same order is before the one at i.
func (l *lane) behind(i int) bool {
	o := l.out[i].Order
	if o == 0 {
		return false
	}
	for _, j := range l.out[:i] {
		if j.Order == o {
			return true
		}
	}
	return false
}

// run reads until the lane is closed.
func (l *lane) run() {
	l.mu.Lock()
	f := l.file
	l.mu.Unlock()
	if f == nil {
		return
	}
	buf := make([]byte, 64<<10)
	looked, tick := int64(0), l.c.tick()
	for {
		_ = f.SetReadDeadline(time.Now().Add(tick))
		n, err := f.Read(buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, unix.ECONNREFUSED):
			l.refused()
		case err == nil:
			l.answer(buf[:n])
		}
		if now := l.c.now(); now-looked >= int64(tick)/2 {
			looked = now
			l.look(now)
		}
		l.deliver()
		if l == l.inst.lanes[0] {
			l.c.tell(l.inst)
		}
	}
}

// answer takes what the instance sent.
func (l *lane) answer(b []byte) {
	if len(b) < cookieLen+2 || b[cookieLen] != ' ' {
		return
	}
	process, ok1 := parseHex(b[:16])
	id, ok2 := parseHex(b[16:cookieLen])
	if !ok1 || !ok2 || process != l.c.process {
		return
	}
	b = b[cookieLen+1:]
	result, ok := lookup(b, "result")
	if !ok {
		return
	}
	gen, index := uint32(id>>24), int(id&(1<<24-1))
	now := l.c.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch id >> 60 {
	case kindJob:
		for _, j := range l.out {
			if j.index != index || j.gen != gen || j.done {
				continue
			}
			l.judge(j, string(result), b)
			l.finished(j, now)
			return
		}
	case kindDelete:
		if began, ok := l.deletes.answered(index, gen); ok {
			l.took(Delete, OK, now-began)
		}
	case kindPing:
		if l.waits && uint64(gen) == l.pingGen&(1<<32-1) {
			l.waits = false
			l.took(Ping, OK, now-l.pinged)
		}
	}
}

// judge takes the result of a description. An instance without a free port is full.
func (l *lane) judge(j *Job, result string, b []byte) {
	j.Result = Refused
	switch result {
	case "ok":
		if sdp, ok := lookup(b, "sdp"); ok && len(sdp) > 0 {
			j.SDP = append(j.SDP[:0], sdp...)
			j.Result = OK
		}
	case "load limit":
		j.Result = Full
	default:
		if why, _ := lookup(b, "error-reason"); string(why) == "Ran out of ports" {
			j.Result = Full
		}
	}
}

func (l *lane) finished(j *Job, now int64) {
	j.done = true
	l.took(j.Verb, j.Result, now-j.began)
}

// took counts a command; one that was answered shows that the instance lives.
func (l *lane) took(v Verb, r Result, ns int64) {
	l.inst.counts[v][r].Add(1)
	if r != Lost {
		l.inst.took.Add(ns)
		l.inst.takes.Add(1)
		l.inst.alive()
	}
}

// refused gives up all that waits: the host says that nobody listens.
func (l *lane) refused() {
	l.inst.silent(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, j := range l.out {
		if !j.done {
			j.Result = Lost
			l.finished(j, 0)
		}
	}
}

// look repeats what has waited for half of the timeout, and gives up what has waited for all
// of it.
func (l *lane) look(now int64) {
	timeout := int64(l.c.timeout)
	silent := false
	l.mu.Lock()
	for _, j := range l.out {
		switch {
		case j.done:
		case now-j.began >= timeout:
			j.Result = Lost
			l.finished(j, now)
			silent = true
		case now-j.began >= timeout/2 && !j.repeated:
			j.repeated = true
			l.inst.repeats.Add(1)
			l.write(j.command)
		}
	}
	l.deletes.look(l, now)
	if l.waits && now-l.pinged >= timeout {
		l.waits = false
		l.took(Ping, Lost, 0)
		silent = true
	}
	if !l.waits && (now-l.pinged >= int64(pingEvery) || l.pinged == 0) {
		l.pingGen++
		l.pinged, l.waits = now, true
		b := l.c.appendCookie(l.deletes.buf[:0], command(kindPing, l.pingGen, uint64(l.number)))
		l.deletes.buf = append(b, pingCommand...)
		l.write(l.deletes.buf)
	}
	l.mu.Unlock()
	if silent {
		l.inst.silent(false)
	}
}

// deliver goes on with the jobs that are over and behind no other of their order.
func (l *lane) deliver() {
	l.mu.Lock()
	for i := 0; i < len(l.out); {
		j := l.out[i]
		if !j.done || l.behind(i) {
			i++
			continue
		}
		l.bytes -= j.held
		l.out = append(l.out[:i], l.out[i+1:]...)
		l.ready = append(l.ready, j)
	}
	l.mu.Unlock()
	for i, j := range l.ready {
		l.ready[i] = nil
		l.c.complete(l, j)
	}
	l.ready = l.ready[:0]
}
