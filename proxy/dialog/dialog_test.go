package dialog

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trunkline/proxy/shm"
	"trunkline/proxy/transaction"
)

// usual is a dialog whose text is grown by n bytes.
func usual(serial, n int) *Text {
	at := func(i int) transaction.Endpoint {
		return transaction.MakeEndpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(serial)}), uint16(5060+i)), i)
	}
	x := &Text{CallID: fmt.Appendf(nil, "%d%s@192.0.2.10", serial, strings.Repeat("c", n))}
	for i := range x.Parties {
		x.Parties[i] = Party{URI: fmt.Appendf(nil, "sip:%d@example.net", i), Tag: fmt.Appendf(nil, "t%d-%d", i, serial),
			Target: fmt.Appendf(nil, "sip:%d@192.0.2.%d:5060", i, serial%250), At: at(i)}
	}
	return x
}

// What is put is what is got, whatever its length, until there is no room; and every block comes back.
func TestPut(t *testing.T) {
	tab, err := New(nil, 2, 40)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rows := map[int]*Text{}
	lost := uint64(0)
	scratch := make([]byte, 0, MaxText)
	for i := range 5000 {
		row := rng.IntN(80)
		if rng.IntN(3) == 0 {
			tab.Drop(row)
			delete(rows, row)
			if r := tab.Row(row); !r.unused() {
				t.Fatalf("row %d holds something after Drop", row)
			}
			continue
		}
		x := usual(i, rng.IntN(900))
		tab.Row(row).CSeq[0] = 7
		if tab.Put(row, x) {
			rows[row] = x
		} else {
			lost++
		}
		for row := range 80 {
			var got Text
			_, ok := tab.Get(row, &got, scratch)
			if want := rows[row]; ok != (want != nil) || ok && !got.Equal(want) {
				t.Fatalf("row %d holds %+v, want %+v", row, got, want)
			}
		}
	}
	st := tab.Stats()
	if lost == 0 || st.Lost != lost || st.Kept != int64(len(rows)) || st.Bytes > st.Limit || st.Capacity != 80 {
		t.Errorf("%+v; %d kept, %d lost", st, len(rows), lost)
	}
	for row := range rows {
		tab.Drop(row)
	}
	if st := tab.Stats(); st.Kept != 0 || st.Bytes != 0 {
		t.Errorf("%+v with nothing kept", st)
	}
}

// A usual dialog takes no more than its share, with its row.
func TestSizes(t *testing.T) {
	tab, _ := New(nil, 1, 10)
	for row := range 10 {
		if !tab.Put(row, usual(row, 60)) {
			t.Fatal("no room for as many dialogs as there are rows")
		}
	}
	if st := tab.Stats(); st.Bytes > 10*3*BlockSize {
		t.Errorf("ten dialogs take %d bytes", st.Bytes)
	}
}

// What cannot stand in a request is not kept.
func TestUnsound(t *testing.T) {
	tab, _ := New(nil, 1, 1)
	for name, change := range map[string]func(x *Text){
		"no Call-ID":          func(x *Text) { x.CallID = nil },
		"no Contact":          func(x *Text) { x.Parties[Callee].Target = nil },
		"no From":             func(x *Text) { x.Parties[Caller].URI = nil },
		"a line end":          func(x *Text) { x.Parties[Caller].Target = []byte("sip:a@b\r\n c") },
		"a bracket in a URI":  func(x *Text) { x.Parties[Caller].Target = []byte("sip:a@b>") },
		"white space":         func(x *Text) { x.Parties[Callee].Tag = []byte("a b") },
		"longer than MaxText": func(x *Text) { x.CallID = []byte(strings.Repeat("x", MaxText)) },
		"longer than a length": func(x *Text) {
			x.CallID = []byte(strings.Repeat("x", 1<<16))
		},
	} {
		x := usual(1, 1)
		change(x)
		if tab.Put(0, x) || tab.Row(0).Kept() {
			t.Errorf("%s: it is kept", name)
		}
	}
	if n := tab.Stats(); n.Lost != 8 || n.Bytes != 0 {
		t.Errorf("%+v", n)
	}
}

func TestAppendBye(t *testing.T) {
	for _, tt := range []struct {
		routes, next, want string
	}{
		{"", "sip:1@192.0.2.3:5060", "BYE sip:1@192.0.2.3:5060 SIP/2.0\r\nVia: x\r\nMax-Forwards: 70\r\n"},
		{"<sip:p;lr>", "sip:p;lr", "BYE sip:1@192.0.2.3:5060 SIP/2.0\r\nVia: x\r\nMax-Forwards: 70\r\nRoute: <sip:p;lr>\r\n"},
		{"<sip:p;lr>,<sip:q>", "sip:p;lr", "BYE sip:1@192.0.2.3:5060 SIP/2.0\r\nVia: x\r\nMax-Forwards: 70\r\nRoute: <sip:p;lr>,<sip:q>\r\n"},
		{"<sip:p>,<sip:q;lr>", "sip:p", "BYE sip:p SIP/2.0\r\nVia: x\r\nMax-Forwards: 70\r\nRoute: <sip:q;lr>\r\nRoute: <sip:1@192.0.2.3:5060>\r\n"},
		{"<sip:p>", "sip:p", "BYE sip:p SIP/2.0\r\nVia: x\r\nMax-Forwards: 70\r\nRoute: <sip:1@192.0.2.3:5060>\r\n"},
	} {
		x := usual(3, 0)
		x.Parties[Callee].Routes = []byte(tt.routes)
		if got := string(x.Parties[Callee].NextHop()); got != tt.next {
			t.Errorf("%s: next hop %s, want %s", tt.routes, got, tt.next)
		}
		got := string(x.AppendBye(nil, Bye{To: Callee, Via: []byte("Via: x\r\n"), CSeq: 9, Reason: []byte("Reason: SIP;cause=408\r\n")}))
		want := tt.want + "From: <sip:0@example.net>;tag=t0-3\r\nTo: <sip:1@example.net>;tag=t1-3\r\nCall-ID: 3@192.0.2.10\r\nCSeq: 9 BYE\r\nReason: SIP;cause=408\r\nContent-Length: 0\r\n\r\n"
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.routes, got, want)
		}
	}
}

// A process that takes over finds the dialogs of the calls that live, their blocks in use and all
// others free; what makes no sense is not kept.
func TestRecover(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		a, err := shm.Create(shm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		const shards, per = 3, 30
		tab, err := New(a, shards, per)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Serve(); err != nil {
			t.Fatal(err)
		}
		rows := map[int]*Text{}
		for i := range 400 {
			row := rng.IntN(shards * per)
			if rng.IntN(3) == 0 {
				tab.Drop(row)
				delete(rows, row)
				continue
			}
			x := usual(i, rng.IntN(300))
			x.Parties[Caller].At = x.Parties[Caller].At.WithFlow(uint32(rng.IntN(2)) * 77)
			if tab.Put(row, x) {
				rows[row] = x
				tab.Row(row).Deadline = int64(row + 1)
			}
		}
		// The process ended while a text was being written, and a call while its row was being
		// emptied; and memory was damaged.
		if _, ok := tab.shards[0].take(3); !ok {
			t.Fatal("no block is free")
		}
		dead := map[int]bool{}
		for row := range rows {
			switch rng.IntN(8) {
			case 0:
				dead[row] = true
			case 1:
				tab.Row(row).text.Store([]uint32{1 << 20, 0}[rng.IntN(2)])
				delete(rows, row)
			}
		}
		for row := range dead {
			delete(rows, row)
		}
		fd, err := unix.Dup(int(a.File().Fd()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := shm.Adopt(os.NewFile(uintptr(fd), "arena"), shm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		next, err := New(b, shards, per)
		if err != nil {
			t.Fatal(err)
		}
		next.Recover(func(row int) bool { return !dead[row] })
		if st := next.Stats(); st.Kept != int64(len(rows)) {
			t.Fatalf("seed %d: %d kept, want %d", seed, st.Kept, len(rows))
		}
		blocks := 0
		for row := range shards * per {
			var got Text
			_, ok := next.Get(row, &got, nil)
			want := rows[row]
			if want != nil && want.Parties[Caller].At.Flow() != 0 {
				want.Parties[Caller].At = want.Parties[Caller].At.WithFlow(transaction.GoneFlow)
			}
			if ok != (want != nil) || ok && (!got.Equal(want) || next.Row(row).Deadline != int64(row+1)) {
				t.Fatalf("seed %d: row %d: %+v, want %+v", seed, row, got, want)
			}
			next.Drop(row)
		}
		if st := next.Stats(); st.Kept != 0 || st.Bytes != 0 {
			t.Errorf("seed %d: %+v with nothing kept", seed, st)
		}
		// All blocks are free again.
		for k := range next.shards {
			for {
				if _, ok := next.shards[k].take(1); !ok {
					break
				}
				blocks++
			}
		}
		if want := shards * per * BlocksPerCall; blocks != want {
			t.Errorf("seed %d: %d blocks are free, want %d", seed, blocks, want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	tab, _ := New(nil, 1, 10)
	x, scratch := usual(1, 100), make([]byte, 0, MaxText)
	if n := testing.AllocsPerRun(100, func() {
		var got Text
		tab.Put(3, x)
		tab.Get(3, &got, scratch)
		tab.Drop(3)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
