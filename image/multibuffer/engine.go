package multibuffer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
)

const (
	// lanes is how many streams are hashed at once: words of a 512-bit register.
	lanes = 16
	// bufferSize is what a lane reads at once, bytes. Those of all lanes stay in a
	// second-level cache.
	bufferSize = 32 << 10
	// lengthSize is the room that the length takes at the end of the last block (FIPS 180-4, 5.1.1).
	lengthSize = 8
)

// initial is the hash value that every stream begins with (FIPS 180-4, 5.3.3).
var initial = [8]uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}

// stream is one message, from Pool.Sum to its digest.
type stream struct {
	r      io.Reader
	length uint64 // bytes read so far
	ended  bool   // all is read, and the padding is in the buffer

	sum  [sha256.Size]byte
	err  error
	done chan struct{}
}

// engine is the state of one worker: a stream in each lane, and what is read of it.
type engine struct {
	state   [8][lanes]uint32 // word by word, as the vectors hold it
	streams [lanes]*stream   // nil: the lane is free
	pending [lanes][]byte    // whole blocks, not hashed yet; part of buffers
	buffers [lanes][]byte
	idle    []byte // what a free lane hashes, for nobody
	used    int
}

// put gives a free lane to a stream.
func (e *engine) put(lane int, s *stream) {
	e.streams[lane] = s
	e.pending[lane] = nil
	if e.buffers[lane] == nil {
		e.buffers[lane] = make([]byte, bufferSize, bufferSize+2*sha256.BlockSize) // the padding is at most that
	}
	for i, word := range initial {
		e.state[i][lane] = word
	}
	e.used++
}

// step reads for the lanes that have nothing left and hashes as many blocks as all
// lanes have. Streams that have ended leave.
func (e *engine) step() {
	n := bufferSize/sha256.BlockSize + 2
	for lane, s := range e.streams {
		if s == nil {
			continue
		}
		if len(e.pending[lane]) == 0 {
			if s.ended {
				e.leave(lane)
				continue
			}
			if e.pending[lane], s.err = s.next(e.buffers[lane]); s.err != nil {
				e.leave(lane)
				continue
			}
		}
		n = min(n, len(e.pending[lane])/sha256.BlockSize)
	}
	if e.used == 0 {
		return
	}
	if e.idle == nil {
		e.idle = make([]byte, cap(e.buffers[e.first()]))
	}
	var data [lanes]*byte
	for lane := range lanes {
		if e.streams[lane] == nil {
			data[lane] = &e.idle[0]
			continue
		}
		data[lane] = &e.pending[lane][0]
		e.pending[lane] = e.pending[lane][n*sha256.BlockSize:]
	}
	blocks(&e.state, &data, n)
}

// first is a lane that is used, of which there must be one.
func (e *engine) first() int {
	for lane, s := range e.streams {
		if s != nil {
			return lane
		}
	}
	return 0
}

// leave ends a stream and frees its lane.
func (e *engine) leave(lane int) {
	s := e.streams[lane]
	e.streams[lane] = nil
	e.used--
	for i := range e.state {
		binary.BigEndian.PutUint32(s.sum[4*i:], e.state[i][lane])
	}
	if s.err != nil {
		s.sum = [sha256.Size]byte{}
	}
	close(s.done)
}

// next reads what fits into the buffer and returns it: at least one whole block and
// nothing else, the padding of FIPS 180-4, 5.1.1 included when the stream ends.
func (s *stream) next(buf []byte) ([]byte, error) {
	n, err := io.ReadFull(s.r, buf)
	s.length += uint64(n)
	if err == nil {
		return buf, nil
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	s.ended = true
	out := append(buf[:n], 0x80)
	for len(out)%sha256.BlockSize != sha256.BlockSize-lengthSize {
		out = append(out, 0)
	}
	return binary.BigEndian.AppendUint64(out, s.length*8), nil
}
