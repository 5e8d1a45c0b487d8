package persist

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"trunkline/appliance/durable"
)

// Disk is a Store in one file: a head, the calls there were when it was begun, and each batch
// since, with a checksum each and synced each. A batch that a power cut ended in the middle of
// is not there. The file is begun anew when most of it is of calls that ended.
type Disk struct {
	dir  string
	f    *os.File
	size int64
	live map[uint64]int64 // bytes of each call in the file
	used int64            // sum of live
	b    []byte
	head Head
}

const (
	fileName  = "calls.log"
	magic     = "TLCALLS1"
	headSize  = len(magic) + 32 + 16
	batchHead = 8 // length and CRC-32C of what follows

	opPut  = 1
	opGone = 2

	// maxBatch bounds what is believed of a length, bytes.
	maxBatch = 1 << 30
	// slack is how much longer than twice its calls the file gets, bytes.
	slack = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenDisk opens a directory, which it makes. The file is read by Load.
func OpenDisk(dir string) (*Disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("calls in progress: %w", err)
	}
	return &Disk{dir: dir}, nil
}

// Name implements Store.
func (*Disk) Name() string { return "disk" }

func (d *Disk) path() string { return filepath.Join(d.dir, fileName) }

// Load implements Store.
func (d *Disk) Load(context.Context) (h Head, calls map[uint64][]byte, ok bool, err error) {
	f, err := os.Open(d.path())
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil, false, nil
	} else if err != nil {
		return h, nil, false, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	var first [headSize]byte
	if _, err := io.ReadFull(r, first[:]); err != nil || string(first[:len(magic)]) != magic {
		return h, nil, false, fmt.Errorf("%s is no file of calls: it is written anew", d.path())
	}
	copy(h.Binding[:], first[len(magic):])
	copy(h.Secret[:], first[len(magic)+32:])
	calls = map[uint64][]byte{}
	var b []byte
	for {
		var head [batchHead]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			break // the end, whole or not
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n > maxBatch {
			break
		}
		if b, err = readN(r, b[:0], int(n)); err != nil || crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
			break
		}
		if !apply(calls, b) {
			break
		}
	}
	return h, calls, true, nil
}

// readN reads n bytes, and takes no memory for what is not there.
func readN(r io.Reader, b []byte, n int) ([]byte, error) {
	for len(b) < n {
		from := len(b)
		b = append(b, make([]byte, min(n-from, 1<<20))...)
		if _, err := io.ReadFull(r, b[from:]); err != nil {
			return b, err
		}
	}
	return b, nil
}

// apply does what a batch says.
func apply(calls map[uint64][]byte, b []byte) bool {
	for len(b) > 0 {
		if len(b) < 9 {
			return false
		}
		op, id := b[0], binary.LittleEndian.Uint64(b[1:])
		b = b[9:]
		switch op {
		case opGone:
			delete(calls, id)
		case opPut:
			if len(b) < 4 || uint64(len(b)-4) < uint64(binary.LittleEndian.Uint32(b)) {
				return false
			}
			n := int(binary.LittleEndian.Uint32(b))
			calls[id] = append([]byte(nil), b[4:4+n]...)
			b = b[4+n:]
		default:
			return false
		}
	}
	return true
}

// encode writes a batch to d.b, behind what is there.
func (d *Disk) encode(b *Batch) {
	at := len(d.b)
	d.b = append(d.b, make([]byte, batchHead)...)
	for _, e := range b.Put {
		d.b = binary.LittleEndian.AppendUint64(append(d.b, opPut), e.ID)
		d.b = append(binary.LittleEndian.AppendUint32(d.b, uint32(len(e.Call))), e.Call...)
	}
	for _, id := range b.Gone {
		d.b = binary.LittleEndian.AppendUint64(append(d.b, opGone), id)
	}
	body := d.b[at+batchHead:]
	binary.LittleEndian.PutUint32(d.b[at:], uint32(len(body)))
	binary.LittleEndian.PutUint32(d.b[at+4:], crc32.Checksum(body, castagnoli))
}

// count keeps what the calls in the file take.
func (d *Disk) count(b *Batch) {
	for _, e := range b.Put {
		d.used += int64(len(e.Call)) - d.live[e.ID]
		d.live[e.ID] = int64(len(e.Call))
	}
	for _, id := range b.Gone {
		d.used -= d.live[id]
		delete(d.live, id)
	}
}

// Begin implements Store: another file takes the place of the one there was.
func (d *Disk) Begin(_ context.Context, h Head, b *Batch) error {
	d.b = append(append(append(d.b[:0], magic...), h.Binding[:]...), h.Secret[:]...)
	d.encode(b)
	// A process that was killed while it wrote left its file, and nobody else writes here.
	if err := durable.Sweep(d.path(), 0); err != nil {
		return err
	}
	w, err := durable.Create(d.path(), 0o600)
	if err != nil {
		return full(err)
	}
	_, err = w.Write(d.b)
	if err == nil {
		err = w.Commit()
	}
	if err = errors.Join(err, w.Cleanup()); err != nil {
		return full(err)
	}
	f, err := os.OpenFile(d.path(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if d.f != nil {
		d.f.Close() // it has no name any more
	}
	d.f, d.size, d.head = f, int64(len(d.b)), h
	d.live, d.used = map[uint64]int64{}, 0
	d.count(b)
	return nil
}

// ErrAnew says that a store wants all calls again, by Begin.
var ErrAnew = errors.New("the calls are to be written anew")

// Apply implements Store.
func (d *Disk) Apply(_ context.Context, b *Batch) error {
	if d.f == nil || d.size > 2*d.used+slack {
		return ErrAnew
	}
	d.b = d.b[:0]
	d.encode(b)
	// Whatever a failure leaves behind the last whole batch is taken away, or nobody would read
	// what follows it.
	_, err := d.f.WriteAt(d.b, d.size)
	if err == nil {
		err = d.f.Sync()
	}
	if err != nil {
		d.f.Close()
		d.f = nil
		return full(err)
	}
	d.size += int64(len(d.b))
	d.count(b)
	return nil
}

// full says what to do about a disk without room.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: make the disk of the appliance larger, and restart it", err)
	}
	return err
}

// Close implements Store.
func (d *Disk) Close() error {
	if d.f == nil {
		return nil
	}
	return d.f.Close()
}
