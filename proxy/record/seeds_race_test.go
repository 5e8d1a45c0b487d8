//go:build race

package record

// seeds are fewer under the race detector, which takes several times as long and finds nothing more
// in one goroutine.
const seeds = 4
