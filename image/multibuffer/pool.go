package multibuffer

import (
	"crypto/sha256"
	"io"
	"runtime"
	"sync"
)

// Pool hashes the streams that several goroutines hand it. Its zero value is ready; a
// nil Pool hashes each stream for itself. It holds nothing while it has nothing to do.
type Pool struct {
	mu      sync.Mutex
	waiting []*stream
	workers int
}

// Sum reads r up to its end and returns its SHA-256. It returns r's error, if there is
// one. Streams that are handed over at the same time are hashed together, and read in turns by one goroutine.
func (p *Pool) Sum(r io.Reader) ([sha256.Size]byte, error) {
	if p == nil || !vectors {
		return plain(r)
	}
	s := &stream{r: r, done: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, s)
	// One worker hashes all, and another only what would fill its lanes.
	if p.workers == 0 || len(p.waiting) >= lanes && p.workers < runtime.GOMAXPROCS(0) {
		p.workers++
		go p.work()
	}
	p.mu.Unlock()
	<-s.done
	return s.sum, s.err
}

// plain is what a stream has without a pool.
func plain(r io.Reader) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	buf := make([]byte, bufferSize)
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{r}, buf); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

// take returns the stream that has waited longest; nil: none waits. For a worker
// whose lanes are empty that is its end.
func (p *Pool) take(idle bool) *stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		if idle {
			p.workers--
		}
		return nil
	}
	s := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	return s
}

// work hashes what waits, filling lanes as they become free, until nothing does.
func (p *Pool) work() {
	var e engine
	for {
		for lane := range lanes {
			if e.streams[lane] == nil {
				s := p.take(e.used == 0)
				if s == nil {
					break
				}
				e.put(lane, s)
			}
		}
		if e.used == 0 {
			return
		}
		e.step()
	}
}
