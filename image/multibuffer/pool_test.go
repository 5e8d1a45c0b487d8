package multibuffer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// random is n bytes that are the same in every run.
func random(n int, seed byte) []byte {
	out := make([]byte, n)
	if _, err := rand.NewChaCha8([32]byte{seed}).Read(out); err != nil {
		panic(err)
	}
	return out
}

// Every length around the edges of blocks and buffers, alone and all at once.
func TestSumIsSHA256(t *testing.T) {
	var messages [][]byte
	for _, around := range []int{0, 1, 55, 56, 63, 64, 65, 119, 128, bufferSize - 64, bufferSize - 9, bufferSize - 1, bufferSize, bufferSize + 1, 3*bufferSize + 17, 1 << 20} {
		messages = append(messages, random(around, byte(len(messages))))
	}
	for n := range 130 {
		messages = append(messages, random(n, 200))
	}
	check := func(p *Pool, m []byte) error {
		got, err := p.Sum(bytes.NewReader(m))
		if want := sha256.Sum256(m); err != nil || got != want {
			return fmt.Errorf("%d bytes: %x, %v, want %x", len(m), got, err, want)
		}
		return nil
	}
	pool := new(Pool)
	var all sync.WaitGroup
	for _, m := range messages {
		for _, p := range []*Pool{nil, pool} {
			if err := check(p, m); err != nil {
				t.Errorf("alone, in pool %v: %v", p != nil, err)
			}
		}
	}
	for _, m := range messages {
		all.Go(func() {
			if err := check(pool, m); err != nil {
				t.Errorf("with others: %v", err)
			}
		})
	}
	all.Wait()
	// A worker ends a moment after its last stream.
	left := func() (workers, streams int) {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return pool.workers, len(pool.waiting)
	}
	for range 60000 {
		if workers, _ := left(); workers == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if workers, streams := left(); workers != 0 || streams != 0 {
		t.Errorf("%d workers and %d streams are left", workers, streams)
	}
}

// The lanes do not mix: each word of each lane is its own, whatever the others hold.
func TestBlocks(t *testing.T) {
	if !vectors {
		t.Log("this processor hashes without vectors: Sum is crypto/sha256 here")
		return
	}
	var state [8][lanes]uint32
	var data [lanes]*byte
	messages := make([][]byte, lanes)
	for lane := range lanes {
		messages[lane] = random(5*64, byte(lane))
		data[lane] = &messages[lane][0]
		for i, word := range initial {
			state[i][lane] = word
		}
	}
	blocks(&state, &data, 0)
	for lane := range lanes {
		if state[3][lane] != initial[3] {
			t.Fatalf("no block changed lane %d", lane)
		}
	}
	blocks(&state, &data, 4)
	// crypto/sha256 says what the state is after whole blocks where it saves one.
	for lane := range lanes {
		h := sha256.New()
		h.Write(messages[lane][:4*64])
		saved, err := h.(interface{ MarshalBinary() ([]byte, error) }).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		for i := range state {
			if want := uint32(saved[4+4*i])<<24 | uint32(saved[5+4*i])<<16 | uint32(saved[6+4*i])<<8 | uint32(saved[7+4*i]); state[i][lane] != want {
				t.Errorf("lane %d, word %d: %08x, want %08x", lane, i, state[i][lane], want)
			}
		}
	}
}

// A stream that fails gives its error, and the others their digests.
func TestSumFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, p := range []*Pool{nil, new(Pool)} {
		var all sync.WaitGroup
		for i := range 40 {
			m := random(100<<10+i, byte(i))
			all.Go(func() {
				var r io.Reader = iotest.OneByteReader(bytes.NewReader(m))
				if i%3 == 0 {
					r = io.MultiReader(bytes.NewReader(m), iotest.ErrReader(broken))
				}
				got, err := p.Sum(r)
				switch {
				case i%3 == 0 && (!errors.Is(err, broken) || got != [32]byte{}):
					t.Errorf("%x, %v, want the error", got, err)
				case i%3 != 0 && (err != nil || got != sha256.Sum256(m)):
					t.Errorf("beside streams that fail: %x, %v", got, err)
				}
			})
		}
		all.Wait()
	}
}

// BenchmarkSum hashes as many streams as there are lanes.
func BenchmarkSum(b *testing.B) {
	m := random(4<<20, 1)
	for name, p := range map[string]*Pool{"each": nil, "together": new(Pool)} {
		for _, n := range []int{1, 4, lanes} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(n * len(m)))
				for b.Loop() {
					var all sync.WaitGroup
					for range n {
						all.Go(func() {
							if _, err := p.Sum(bytes.NewReader(m)); err != nil {
								b.Error(err)
							}
						})
					}
					all.Wait()
				}
			})
		}
	}
}
