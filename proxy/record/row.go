package record

import (
	"bytes"
	"net/netip"
	"sync/atomic"
)

// Bytes that are kept of a value.
const (
	MaxCallID = 96
	MaxCaller = 72 // URI of From
	MaxCallee = 72 // URI of To
	MaxCalled = 48 // user part of the Request-URI
)

// NoDestination is the destination of a call that was sent nowhere.
const NoDestination = ^uint16(0)

// Side is who ended a call.
type Side uint8

// The sides of a call.
const (
	Nobody Side = iota // it is not known
	Caller
	Callee
	Proxy
)

var sideNames = [...]string{"", "caller", "callee", "proxy"}

func (s Side) String() string { return sideNames[min(int(s), len(sideNames)-1)] }

// States of a row. Each change is one store, after all else of the row.
const (
	free  = 0
	open  = 1 // of a call that lives
	ended = 2 // its record waits, or is being written
)

// The texts of a row, in their order.
const (
	textCallID = iota
	textCaller
	textCallee
	textCalled
	texts
)

var textMax = [texts]int{MaxCallID, MaxCaller, MaxCallee, MaxCalled}

// Row is what is kept of one call. It holds no pointers; times are nanoseconds of the
// clock of the arena.
type Row struct {
	state uint32 // atomic
	next  uint32 // of a list; made anew by Recover

	Origin   uint64 // of the Book that opened it: with Call, the key of the record
	Call     uint64
	ID       uint64 // of the call in the table of calls: Call, unless it was kept over a boot
	Began    int64
	Answered int64 // 0: it was not
	Ended    int64

	source     [16]byte
	port       uint16
	Listener   uint16 // index
	Dest       uint16 // index, or NoDestination
	Code       uint16 // of the final reply the caller got; 0: none is known
	Generation uint32 // of the process that saw its end
	Cause      uint8
	By         Side
	Emergency  bool
	cut        uint8 // bit i: text i
	length     [texts]uint8
	text       [MaxCallID + MaxCaller + MaxCallee + MaxCalled]byte
}

// Fields are what the INVITE of a call says. They may be reused when Open returns.
type Fields struct {
	CallID    []byte
	Caller    []byte // URI of From
	Callee    []byte // URI of To
	Called    []byte // user part of the Request-URI
	Source    netip.AddrPort
	Listener  int
	Emergency bool
}

// fill makes the row that of a call nobody has answered yet.
func (r *Row) fill(origin, call uint64, now int64, f Fields) {
	r.Origin, r.Call, r.ID = origin, call, call
	r.Began, r.Answered, r.Ended = now, 0, 0
	r.source, r.port = f.Source.Addr().As16(), f.Source.Port()
	r.Listener, r.Dest, r.Code, r.Cause, r.By = uint16(f.Listener), NoDestination, 0, 0, Nobody
	r.Emergency, r.cut = f.Emergency, 0
	r.put(textCallID, f.CallID, nil)
	head, tail := plainURI(f.Caller)
	r.put(textCaller, head, tail)
	head, tail = plainURI(f.Callee)
	r.put(textCallee, head, tail)
	r.put(textCalled, f.Called, nil)
}

// put keeps a text, given in two parts.
func (r *Row) put(k int, a, b []byte) {
	dst := r.place(k)
	n := copy(dst, a)
	n += copy(dst[n:], b)
	r.length[k] = uint8(n)
	if n < len(a)+len(b) {
		r.cut |= 1 << k
	}
}

func (r *Row) place(k int) []byte {
	at := 0
	for i := range k {
		at += textMax[i]
	}
	return r.text[at:][:textMax[k]]
}

func (r *Row) get(k int) []byte { return r.place(k)[:min(int(r.length[k]), textMax[k])] }

// Source is where the INVITE came from.
func (r *Row) Source() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(r.source).Unmap(), r.port)
}

// plainURI is a URI without its password and without its headers (RFC 3261 19.1.1), as two
// parts of its bytes: neither belongs into a record.
func plainURI(u []byte) (head, tail []byte) {
	if i := bytes.IndexByte(u, '@'); i >= 0 {
		if scheme := bytes.IndexByte(u[:i], ':'); scheme >= 0 {
			if p := bytes.IndexByte(u[scheme+1:i], ':'); p >= 0 {
				head, u = u[:scheme+1+p], u[i:]
			}
		}
		if head == nil {
			head, u = u[:i], u[i:]
		}
	}
	if i := bytes.IndexByte(u, '?'); i >= 0 {
		u = u[:i]
	}
	return head, u
}

func (r *Row) is(state uint32) bool { return atomic.LoadUint32(&r.state) == state }

func (r *Row) become(state uint32) { atomic.StoreUint32(&r.state, state) }
