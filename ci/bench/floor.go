package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"trunkline/appliance/runtime"
	"trunkline/proxy/listen"
)

// floor is the least a proxy costs on this machine: each datagram is received and sent on
// by sbcd's own sockets, and nothing is read of it but its first bytes. All that sbcd takes
// beyond it is the work of a proxy: parsing, transactions, timers, the changed message, 100.
const floor = "forwarding"

// floorReady is what the forwarding process prints once it receives.
const floorReady = "forwarding: ready"

// recordRoute keeps the later requests of a call coming by.
var recordRoute = []byte("\r\nRecord-Route: <sip:" + target + ";lr>")

// forward runs the forwarding process: what callees send goes to the caller, anything else
// to the callee.
func forward(callee string) error {
	from, to := netip.MustParseAddrPort(caller), netip.MustParseAddrPort(callee)
	g, err := listen.Open(runtime.Listener{Name: floor, Address: netip.MustParseAddrPort(target), Workers: 1, RecvBuffer: receiveBuffer}, listen.Options{})
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-stop
		_ = g.Close()
	}()
	fmt.Println(floorReady)
	var out []byte
	return g.Serve(0, func(pkt []byte, src netip.AddrPort) {
		switch {
		case src == to:
			_ = g.Send(pkt, from)
		case bytes.HasPrefix(pkt, []byte("INVITE ")):
			i := bytes.IndexByte(pkt, '\r')
			if i < 0 {
				return
			}
			out = append(append(append(out[:0], pkt[:i]...), recordRoute...), pkt[i:]...)
			_ = g.Send(out, to)
		default:
			_ = g.Send(pkt, to)
		}
	})
}
