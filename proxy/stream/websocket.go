package stream

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// WSFramer cuts the bytes that a WebSocket client sent into messages (RFC 6455). It is
// used like a Framer.
type WSFramer struct {
	MaxMessage int // bytes of a message, its fragments together

	in    buffer
	parts []byte // fragments that came so far
	text  bool   // they are text
	open  bool   // a fragmented message has begun
	need  int    // bytes of the present frame
	fault Fault
	code  ws.StatusCode // that a close frame is to carry
}

// Space is where to read to. It ends the life of what Next returned.
func (f *WSFramer) Space() []byte { return f.in.space(f.need) }

// Wrote says that n bytes were read into Space.
func (f *WSFramer) Wrote(n int) { f.in.w += n }

// Partial reports whether a message has begun and is not complete.
func (f *WSFramer) Partial() bool { return (f.open || f.in.r < f.in.w) && f.fault == FaultNone }

// Fault is why Next returned Broken.
func (f *WSFramer) Fault() Fault { return f.fault }

// Code is the status of the close frame that answers Broken and End.
func (f *WSFramer) Code() ws.StatusCode { return f.code }

// Release gives the memory back; the framer is not to be used after.
func (f *WSFramer) Release() {
	f.in.release()
	f.parts = nil
}

// Next returns what comes next: Message with a message, Ping with what the pong must
// repeat, Idle for an answered ping, End when the peer closes, Broken when it breaks the
// protocol or a bound. The bytes are valid until Space is called.
func (f *WSFramer) Next() (Kind, []byte) {
	for f.fault == FaultNone {
		h, size, ok := frameHeader(f.in.bytes())
		if !ok {
			return More, nil
		}
		state := ws.StateServerSide
		if f.open {
			state = state.Set(ws.StateFragmented)
		}
		switch err := ws.CheckHeader(h, state); {
		case err != nil:
			return f.broken(FaultWebSocket, ws.StatusProtocolError)
		case h.Length > int64(f.MaxMessage) || h.OpCode == ws.OpContinuation && int(h.Length)+len(f.parts) > f.MaxMessage:
			return f.broken(FaultBodySize, ws.StatusMessageTooBig)
		}
		f.need = size + int(h.Length)
		if f.in.len() < f.need {
			return More, nil
		}
		payload := f.in.take(f.need)[size:]
		f.need = 0
		ws.Cipher(payload, h.Mask, 0)
		if k, p := f.frame(h, payload); k != More {
			return k, p
		}
	}
	return More, nil
}

// frame takes one frame. More says that it completes nothing.
func (f *WSFramer) frame(h ws.Header, payload []byte) (Kind, []byte) {
	switch h.OpCode {
	case ws.OpPing:
		return Ping, payload
	case ws.OpPong:
		return Idle, nil
	case ws.OpClose:
		f.code = ws.StatusNormalClosure
		return End, nil
	case ws.OpText, ws.OpBinary:
		f.text = h.OpCode == ws.OpText
		if h.Fin {
			return f.message(payload)
		}
		f.open, f.parts = true, append(f.parts[:0], payload...)
	case ws.OpContinuation:
		f.parts = append(f.parts, payload...)
		if h.Fin {
			f.open = false
			p := f.parts
			f.parts = nil // rare: nothing is kept for the next one
			return f.message(p)
		}
	}
	return More, nil
}

// message checks a complete message: text must be UTF-8 (RFC 6455 5.6).
func (f *WSFramer) message(p []byte) (Kind, []byte) {
	if f.text && !utf8.Valid(p) {
		return f.broken(FaultWebSocket, ws.StatusInvalidFramePayloadData)
	}
	return Message, p
}

func (f *WSFramer) broken(why Fault, code ws.StatusCode) (Kind, []byte) {
	f.fault, f.code = why, code
	return Broken, nil
}

// frameHeader reads the header of a frame (RFC 6455 5.2) and returns its length; false
// while it is not complete.
func frameHeader(b []byte) (h ws.Header, size int, ok bool) {
	if len(b) < 2 {
		return h, 0, false
	}
	h.Fin, h.Rsv, h.OpCode = b[0]&0x80 != 0, b[0]&0x70>>4, ws.OpCode(b[0]&0x0f)
	h.Masked = b[1]&0x80 != 0
	size = 2
	switch n := b[1] & 0x7f; n {
	default:
		h.Length = int64(n)
	case 126:
		if size = 4; len(b) < size {
			return h, 0, false
		}
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if size = 10; len(b) < size {
			return h, 0, false
		}
		// The top bit must be 0; a length that has it is beyond any bound.
		h.Length = int64(binary.BigEndian.Uint64(b[2:]) &^ (1 << 63))
	}
	if h.Masked {
		if len(b) < size+4 {
			return h, 0, false
		}
		copy(h.Mask[:], b[size:])
		size += 4
	}
	return h, size, true
}

// maxFrameHeader is the longest header of a frame from a server, bytes.
const maxFrameHeader = 10

// appendFrame appends a whole, unmasked frame (RFC 6455 5.2): servers do not mask.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// subprotocol is what both ends of a WebSocket must agree on (RFC 7118 4).
const subprotocol = "sip"

// maxUpgrade is the longest HTTP request taken, bytes; a line of it may be a quarter.
const maxUpgrade = 16 << 10

var (
	errPath        = ws.RejectConnectionError(ws.RejectionStatus(http.StatusNotFound), ws.RejectionReason("SIP is not at this path\n"))
	errSubprotocol = ws.RejectConnectionError(ws.RejectionStatus(http.StatusBadRequest), ws.RejectionReason("the subprotocol sip is required: Sec-WebSocket-Protocol: sip (RFC 7118)\n"))
	errUpgradeSize = errors.New("the request is longer than allowed")
)

// upgrade takes the HTTP request of a client and answers it (RFC 6455 4.2, RFC 7118 4).
// An error was told to the client where there was anything to tell.
func upgrade(rw io.ReadWriter, path string) error {
	agreed := false
	u := ws.Upgrader{
		ReadBufferSize: maxUpgrade / 4,
		OnRequest: func(uri []byte) error {
			at := string(uri)
			for i, c := range at {
				if c == '?' {
					at = at[:i]
					break
				}
			}
			if path != "" && at != path {
				return errPath
			}
			return nil
		},
		Protocol: func(p []byte) bool {
			agreed = agreed || string(p) == subprotocol
			return string(p) == subprotocol
		},
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if !agreed {
				return nil, errSubprotocol
			}
			return nil, nil
		},
	}
	limited := &io.LimitedReader{R: rw, N: maxUpgrade}
	_, err := u.Upgrade(struct {
		io.Reader
		io.Writer
	}{limited, rw})
	if err != nil && limited.N <= 0 {
		return errUpgradeSize
	}
	return err
}
