// Package stream owns the connections of a listener over TCP, TLS, WS or WSS: it
// accepts them, dials to addresses that have none, cuts what they carry into SIP
// messages, and bounds all of it. A [Group] is to the engine what listen.Group is for
// UDP.
//
// # Promises
//
// Open opens a listener or says, naming listener, address and remedy, why it cannot.
// Receiving and sending a message allocate nothing once a connection stands (crypto/tls
// allocates once for a record it reads). Send never
// waits: what a connection does not take at once lies in a bounded buffer, and a peer
// that lets it fill up loses its connection. A connection, a handshake or a dial that is
// refused or fails is counted by reason and logged by nobody. Close ends Serve, and when
// Serve has returned no goroutine, descriptor or call of a Handler is left.
//
// # Workers
//
// Each connection has a reading goroutine, parked in Go's poller while nothing comes, and
// belongs to the worker that the hash of its peer's address and port names. A reader hands
// its whole messages to the Handler of its worker under that worker's lock: a Handler never
// runs twice at a time, and the messages of a connection keep their order without a hop to
// another goroutine. Handshakes run on the connection's goroutine, under no worker's lock.
//
// # Framing
//
// On TCP and TLS a message ends where its Content-Length says (RFC 3261 18.3); the header
// ends exactly where package message says it does, so that nothing can be hidden between
// the two. A message whose end cannot be told (no Content-Length, one that is no number,
// two that differ, a body beyond the listener's largest message) is handed on as its header
// alone, which gets it a 400 of the engine; then the connection is closed. A message must be
// complete within Options.MessageTimeout of its first byte. CRLF CRLF between messages is
// answered with CRLF (RFC 5626 4.4.1). On WS and WSS a message is one WebSocket message,
// text or binary (RFC 7118 5). A ping is answered with a pong (RFC 6455 5.5.2), and a client
// that was silent for half of what it may be is pinged: scripts in a browser cannot ping, but
// every browser answers.
//
// # Connections
//
// They are found by the peer's address and port: a reply leaves by the connection its
// request came in by, and a request to the same address and port uses the connection there
// is, whoever opened it (RFC 5923). To an address without one Send dials, from the
// listener's address and a port of the kernel's choice; messages wait, bounded, until the
// connection stands. Each connection has a number of its own besides (Flow), by which
// SendFlow sends over it or not at all. Groups over WS and WSS do not dial: a WebSocket client takes no
// connections (RFC 7118 4), so Send to one that left fails at once.
//
// The listening socket may be one that a process before this one left (Options.Inherited):
// connections that nobody has accepted yet wait in it. Those that were accepted end with their
// process, for the kernel hands on no state of TLS: their peers connect again.
//
// A source that Options.Admit refuses is turned away before anything is allocated for it.
//
// The Origin of a WebSocket handshake is not looked at: a browser adds no credentials of its
// user to SIP, so another site's page gains nothing here that it could not do without one.
package stream
