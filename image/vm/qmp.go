package vm

import (
	"encoding/json"
	"net"
	"sync"
	"time"
)

// qmp is a connection to QEMU's machine protocol. It only sends commands that
// need no answer and notes when the machine stops by itself.
type qmp struct {
	conn    net.Conn
	stopped chan struct{} // closed when the machine stops executing
	write   sync.Mutex
}

func newQMP(conn net.Conn) *qmp {
	q := &qmp{conn: conn, stopped: make(chan struct{})}
	q.command("qmp_capabilities")
	go q.read()
	return q
}

// read drains answers and events until the connection ends.
func (q *qmp) read() {
	var once sync.Once
	dec := json.NewDecoder(q.conn)
	for {
		var msg struct {
			Event string `json:"event"`
		}
		if err := dec.Decode(&msg); err != nil {
			return
		}
		// Nobody here pauses the machine, so it stopped on an internal error.
		if msg.Event == "STOP" {
			once.Do(func() { close(q.stopped) })
		}
	}
}

// command sends one command. An error means that QEMU is ending; whoever waits
// for that sees it.
func (q *qmp) command(name string) {
	b, _ := json.Marshal(map[string]string{"execute": name}) // cannot fail
	q.write.Lock()
	defer q.write.Unlock()
	_ = q.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	_, _ = q.conn.Write(append(b, '\n'))
}

func (q *qmp) close() error { return q.conn.Close() }
