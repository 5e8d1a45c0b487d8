// Package torture sends the 49 messages of RFC 4475, byte for byte, through a
// running sbcd over loopback and holds it to the verdicts of the RFC: what is valid
// arrives at the callee with nothing changed but what a proxy must change, what is
// not is refused with the status the RFC names or dropped, and a counter says why.
// Where the RFC leaves room, the case says what sbcd does and for which reason.
//
// Each message is then sent again cut short at every seventh byte, and with one bit
// turned at every eleventh. Of those only survival is asked, and that no
// transaction, call or stored message is left over.
//
// The tests start the programs in the directory TRUNKLINE_BIN names (make e2e sets
// it). The messages are in proxy/message/testdata/torture. Proxy and agents live on
// 127.60.0.0/24. Nothing here reads SIP with the code of the proxy.
package torture
