// Package update gets an appliance its next image: it asks the server which one is the
// newest, fetches it, checks it and hands it to package slots.
//
// What is promised: nothing is installed but an image that this appliance's signer signed,
// of this appliance's name, in the version announced, which is newer than the one that runs
// (unless an operator says otherwise). The server is asked over TLS alone, and what it
// answers is bounded in size and time. A transfer that breaks is begun again by the next
// look: nothing of it is kept. Every error says what the cause is and what to do.
//
// Trust: the index comes from a server whose certificate an authority vouches for, so nobody
// on the way can hold an appliance back; an image counts by its signature alone.
package update
