//go:build !race

package dispatch

// many destinations are those of a large appliance.
const many = 5000
