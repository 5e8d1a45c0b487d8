//go:build !race

package record

// seeds is with how many orders of calls, failures and takeovers records are tried.
const seeds = 20
