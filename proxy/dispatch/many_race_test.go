//go:build race

package dispatch

// many destinations are fewer under the race detector: what it does at each step grows with the
// number of goroutines.
const many = 1000
