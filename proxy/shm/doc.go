// Package shm is the memory that outlives the process: the arena, one memfd that holds the
// tables of the calls in progress, and that a later process of the same program takes over
// with all that is in it.
//
// An arena is a header page and regions behind it, each a table of rows of one Go type. A
// region is taken by name, in the order of the program. In an arena just made Take gives
// empty rows; in one that was adopted, the rows as they were, provided that the region has
// the same place, rows and shape. Row types hold no pointers: what refers to something does so
// by index, or it would mean nothing in another process.
//
// # Promises
//
// An arena is adopted whole or not at all. It is refused, with the reason, when it is not an
// arena, when it is of another format, another configuration (Options.Binding) or another
// layout of rows, and when its maker never came to serve. Nothing in the arena depends on
// the time of day or on an address: clocks are nanoseconds since it was made, by
// CLOCK_MONOTONIC, which all processes of one boot share.
//
// The garbage collector never looks at the arena, and its limit (GOMEMLIMIT) does not count
// it. The memory is the kernel's: pages that were never written take none. Rows are written
// by their owners, who see to it that a row is whole or free whenever the process may end,
// which is at any instruction: a single store of at most eight bytes is done or not done.
//
// A nil *Arena stands for memory of the Go heap, for tables that live no longer than their
// process.
package shm
