//go:build race

package stream

// raceDetector makes pools forget at random, so allocations mean nothing.
const raceDetector = true
