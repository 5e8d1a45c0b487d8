// Package persist keeps answered calls beyond the machine's memory, so that they outlive a reboot
// and a power cut.
//
// A Keeper looks at the calls every interval, off the path of messages, and gives what
// changed since to a Store as one batch: calls that were answered, or changed, with all that
// is kept of them, and the IDs of those that ended. A store has a batch or it has not.
//
// # Promises
//
// Nothing on the path of a message waits for this, or knows of it. What a power cut
// takes are the changes since the last batch: calls answered since are not known after it, and calls
// that ended since are thought to go on, until their lifetime or session ends them. An orderly
// end writes a last batch and loses nothing. A store that fails is tried again with the next
// batch, and written anew as a whole once it takes that.
//
// What is read after a boot is the state after some batch, whole, or nothing. Calls
// are of use to a process with the same listeners, dispatchers and limits only, which the store's Head says.
//
// The disk is one file of our own rather than SQLite: a batch is one write and one sync, 7 ms for the
// changes of 1,000 calls (BenchmarkFlush), and there is one question to it, which is all of it.
//
// Times in a store are those of the day, since clocks end with their boot.
package persist
