// Package record makes one record of each call that was let in, at its end, and gets it to
// where the spec wants it: the journal, a file, a table of a database.
//
// What a record needs is kept in a row of the Book, in the arena beside the call's slot. The
// call's one exit marks the row as ended, and that is all a worker does: a Writer, one
// goroutine off the path, takes ended rows in batches, makes records of them and gives them
// to a Sink. A row is free again once the sink has its record.
//
// # Promises
//
// No call waits for a record. Rows that wait for a sink take the place of none that lives:
// there are an eighth more rows than slots for calls, and when all of a shard are in use a
// new call takes the row of the record that has waited longest, which is lost and counted.
//
// A record has a key that no other call has, on no appliance and after no restart. Rows
// outlive the process: a record that waited when it was killed is written by the next one,
// and a call whose end it could not note any more has a record of cause "broken". Each record
// is in the file and in the table once; in the journal, a record that was being written at
// that moment may be there twice, with one key. A power cut loses the rows, and what of the
// file was written within the last second.
//
// Values of a message are cut at a number of bytes each (Row); the record says which were. It
// never holds a password: that of a URI is left out before it is kept.
package record
