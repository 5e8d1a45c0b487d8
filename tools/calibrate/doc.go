// Package calibrate measures coefficients of the sizing model on the machine at hand: CPU per
// call, with and without the duties of an SBC; what a transaction and a call take in memory;
// what one socket takes without loss; and how long nobody answers after sbcd was killed.
//
// It runs the real sbcd, baked from specs of its own, with the load of sipload over loopback
// addresses (127.93.0.0/24), each on a CPU of its own. What a card, its interrupts and a packet
// filter cost, such a run does not have: costs are given with an allowance, and their source says so.
//
// # Promises
//
// A figure counts only if the run was clean: no call failed, nothing was sent twice or lost. What
// other processes spoil is measured again, a few times; then the figure is missing, with the
// reason, rather than wrong. All processes end with Run, whatever it returns.
package calibrate
