package media

import (
	"math"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	pingEvery = time.Second
	downAfter = 3 // failures in a row
	upAfter   = 2 // answers in a row
)

// instance is one rtpengine.
type instance struct {
	name     string
	control  []netip.AddrPort
	weight   float64
	max      int64 // sessions; 0: any number
	hash     uint64
	lanes    []*lane
	sessions atomic.Int64
	down     atomic.Bool
	failed   atomic.Int32 // in a row
	answered atomic.Int32 // in a row, while it is down
	counts   [numVerbs][numResults]atomic.Uint64
	repeats  atomic.Uint64
	took     atomic.Int64 // ns, of all commands that were answered
	takes    atomic.Int64
	told     bool // down, as the log has it; of the first lane's goroutine
}

// alive takes note of an answer.
func (i *instance) alive() {
	i.failed.Store(0)
	if i.down.Load() && i.answered.Add(1) >= upAfter {
		i.down.Store(false)
	}
}

// silent takes note of a command without an answer; refused: the host says that nobody listens.
func (i *instance) silent(refused bool) {
	i.answered.Store(0)
	if i.failed.Add(1) >= downAfter || refused {
		i.down.Store(true)
	}
}

func (i *instance) takesMore() bool {
	return !i.down.Load() && (i.max == 0 || i.sessions.Load() < i.max)
}

// tried are instances.
type tried [4]uint64

func (t *tried) add(i int)      { t[i/64] |= 1 << (i % 64) }
func (t *tried) has(i int) bool { return t[i/64]&(1<<(i%64)) != 0 }

// choose picks the instance of a Call-ID among those that take more calls and are not in
// except: the one with the highest of -weight/ln(u), u being uniform by the hash of both
// (weighted rendezvous). -1: there is none.
func (c *Client) choose(call uint64, except *tried) int {
	return c.highest(call, func(n int) bool { return !except.has(n) && c.instances[n].takesMore() })
}

// first is the instance a Call-ID belongs to, whatever its state.
func (c *Client) first(call uint64) int { return c.highest(call, func(int) bool { return true }) }

func (c *Client) highest(call uint64, may func(int) bool) int {
	best, at := -1.0, -1
	for n, i := range c.instances {
		if !may(n) {
			continue
		}
		h := mix(call ^ i.hash)
		u := (float64(h>>11) + 0.5) / (1 << 53)
		if score := -i.weight / math.Log(u); score > best {
			best, at = score, n
		}
	}
	return at
}

// mix spreads every bit over the word (the end of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
