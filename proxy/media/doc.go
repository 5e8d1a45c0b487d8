// Package media has calls carried by rtpengine: it speaks the ng protocol (UDP, a cookie and
// a bencoded dictionary) with the instances of a configuration, chooses one for each call,
// holds messages until the description in them is rewritten, and sees to it that every session
// is deleted when its call has ended.
//
// # Sessions
//
// A call has one session, at one instance, by a name of our own (the identity of the arena and
// the number of the call), so that two calls with one Call-ID never meet and nobody outside
// can name, or end, the session of another. Its two sides have the tags "a" (the caller) and
// "b" (whoever is called, whichever branch of a fork that is): the last answer counts, which
// is that of the 2xx. rtpengine takes an answer of another peer on the same side as a change
// of its address.
//
// What is known of a session is one word beside the call's row, in the arena: the process after
// a crash still knows which instance to tell. So are the deletes that are not answered yet.
//
// # Instances
//
// The instance is chosen by the hash of the Call-ID, in proportion to the weights (highest
// random weight, so that an instance that goes or comes moves its own calls alone), among
// those that are up and have room below max_sessions. An instance is down after three
// commands or pings in a row without an answer, or at once when its host refuses them, and up again after
// two answers. With on_fail "next" an offer that gets no answer in time goes to the next
// instance, that of a re-INVITE as well: both sides then learn the new addresses. An answer
// goes where its offer went.
//
// # Promises
//
// No function for workers waits or allocates, except that buffers grow to what messages need.
// Messages and commands that are held are bounded in number and bytes. What an instance sends
// is read as from a stranger: lengths are checked, nesting and size are bounded, and an answer
// counts only with the cookie of its question. A command is repeated once, with the same cookie,
// which rtpengine answers as it did before. A delete is repeated until it is answered, or for
// a minute, after which rtpengine has found the silence of the call itself.
//
// Jobs of one order come out in the order they went in.
package media
