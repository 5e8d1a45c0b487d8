package engine

import (
	"bytes"
	"net/netip"
)

// The machine checks its own listeners after a start (sbcd selfcheck) with an OPTIONS from
// the listener's own address. No packet from outside has that source: the kernel drops
// those (martian source, Documentation/networking/ip-sysctl.rst), and so does the firewall.
// Nothing but an OPTIONS for the proxy itself is taken from there, which keeps no state.

var optionsStart = []byte("OPTIONS ")

// checksItself says whether a packet of a source that is not admitted is the machine's check
// of its own listener.
func (f *face) checksItself(pkt []byte, src netip.AddrPort) bool {
	return src.Addr() == f.addr.Addr() && bytes.HasPrefix(pkt, optionsStart)
}

// admits says whether an address may connect.
func (f *face) admits(a netip.Addr) bool { return f.allowed.Lookup(a) || a.Unmap() == f.addr.Addr() }
