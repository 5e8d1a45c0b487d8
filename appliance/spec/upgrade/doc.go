// Package upgrade rewrites a spec of an older format version into the one this
// Trunkline reads.
//
// What is promised: comments, order and names of files stay; the result is in
// the layout of `trunkline fmt`; a spec of the current version comes back as it
// was. One step leads from each version to the next, and a spec walks all steps
// it needs. A step leaves alone what is in its new form already, so that an
// upgrade which was cut short is finished by running it again. What no rule can
// rewrite is a diagnostic with its line, and then nothing is rewritten.
//
// Format version 0 is the draft of before the first release. From it to 1:
//
//   - block listen is called listener
//   - listen: bind = "ADDRESS:PORT" becomes address and port; children becomes
//     workers, where 0 is "auto"
//   - workload: calls is called concurrent_calls
//   - destination: address = "ADDRESS:PORT" becomes uri = "sip:ADDRESS:PORT"
//   - durations were numbers of seconds and are text with a unit: 30 becomes "30s"
//
// The draft had neither variables nor dynamic blocks.
package upgrade
