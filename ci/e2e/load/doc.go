// Package load puts sbcd under load by sipload: one trunk over several workers,
// garbage from many sources beside calls, and a mixture of calls that end in every
// way, after which nothing may be left. Nothing in it is timed: rates are low enough
// for a busy machine, and what is asserted is counts and memory.
package load
