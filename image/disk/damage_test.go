package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tell fails unless an error names the file and says what to do.
func tell(t *testing.T, path, what string, err error) {
	t.Helper()
	if !strings.HasPrefix(err.Error(), path) || !strings.HasSuffix(err.Error(), again) {
		t.Errorf("%s: error is %v", what, err)
	}
}

// Whatever bytes of an image are damaged, it is read or refused with place, cause and remedy.
func TestReadDamaged(t *testing.T) {
	l := testLayout()
	l.Keys = map[string][]byte{"PK.auth": []byte("owner"), "db.auth": []byte("images")}
	raw := filepath.Join(t.TempDir(), "edge.raw")
	if err := Write(raw, l); err != nil {
		t.Fatal(err)
	}
	for _, format := range []Format{Raw, QCOW2, ISO} {
		t.Run(string(format), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "edge."+string(format))
			var err error
			switch format {
			case Raw:
				err = os.Rename(raw, path)
				defer os.Rename(path, raw) //nolint:errcheck // the next format is made of it
			case QCOW2:
				err = WriteQCOW2(path, raw)
			case ISO:
				err = WriteISO(path, l)
			}
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			places := structures(t, f, st.Size())
			r := rand.New(rand.NewPCG(22, 11))
			refused := 0
			for i := range 300 {
				// Most of the places hold structures; files themselves are anybody's bytes.
				at := places[r.IntN(len(places))]
				if i%10 == 0 {
					at = r.Int64N(st.Size() - 64)
				}
				was, now := make([]byte, 1+r.IntN(64)), []byte(nil)
				n, err := f.ReadAt(was, at)
				if n == 0 {
					t.Fatal(err)
				}
				was = was[:n]
				switch now = make([]byte, n); r.IntN(4) {
				case 0: // zeros
				case 1:
					now = bytes.Repeat([]byte{0xff}, n)
				case 2: // one bit
					copy(now, was)
					now[r.IntN(n)] ^= 1 << r.IntN(8)
				default:
					for k := range now {
						now[k] = byte(r.Uint32())
					}
				}
				if _, err := f.WriteAt(now, at); err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("damage %d, %d bytes at %d", i, n, at)
				if esp, err := Read(path); err != nil {
					refused++
					tell(t, path, what, err)
				} else {
					read := int64(0)
					for _, x := range esp.Files {
						read += int64(len(x.Data))
					}
					if read > esp.Size {
						t.Errorf("%s: files of %d bytes in a partition of %d", what, read, esp.Size)
					}
				}
				if _, err := Credentials(path); err != nil {
					tell(t, path, what, err)
				}
				if _, err := f.WriteAt(was, at); err != nil {
					t.Fatal(err)
				}
			}
			if refused < 30 {
				t.Errorf("only %d of 300 are refused: the damage is not where it counts", refused)
			}
			if _, err := Read(path); err != nil {
				t.Errorf("put right again: %v", err)
			}
		})
	}
}

// structures are the bytes of tables, boot sectors and directories: of the first and last sectors
// those that are not zeros, and around everything that stands in the image but is no file's.
func structures(t *testing.T, f *os.File, size int64) (places []int64) {
	t.Helper()
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	for at := 0; at+sectorSize <= len(b); at += sectorSize {
		s := b[at : at+sectorSize]
		zeros := bytes.Count(s, []byte{0})
		// Contents of our files are random, or text all over.
		if zeros < 8 || zeros == len(s) {
			continue
		}
		for k, c := range s {
			if c != 0 {
				places = append(places, int64(at+k))
			}
		}
	}
	if len(places) < 200 {
		t.Fatalf("only %d bytes of structures found", len(places))
	}
	return places
}

// An image that was not copied to its end is refused wherever it ends, once that is before the
// end of its partition.
func TestReadTruncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.raw")
	if err := Write(path, testLayout()); err != nil {
		t.Fatal(err)
	}
	esp, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(22, 12))
	end := esp.Start + esp.Size
	for _, n := range []int64{end - 1, end - sectorSize, end / 2, esp.Start + 1, esp.Start, 1024, 1023, 512, 511, 1, 0} {
		n -= r.Int64N(n/8 + 1)
		if err := os.Truncate(path, n); err != nil { // from long to short: what is cut stays cut
			t.Fatal(err)
		}
		what := fmt.Sprintf("cut to %d bytes", n)
		if _, err := Read(path); err == nil {
			t.Errorf("%s: read", what)
		} else {
			tell(t, path, what, err)
		}
	}
}

// A table that says it is larger than any is not believed, though its checksum holds.
func TestReadHugeTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.raw")
	if err := Write(path, testLayout()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], 1<<31)
	if _, err := f.WriteAt(n[:], sectorSize+80); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "header at byte 512 has 2147483648 entries") {
		t.Errorf("error is %v", err)
	}
}
