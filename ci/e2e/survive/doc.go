// Package survive kills sbcd while calls go through it, as nothing else does: kill -9, at random
// moments, under a service manager that starts the next process at once and hands it what the one
// before kept. No call may fail, and in the end nothing may be left.
//
// It needs TRUNKLINE_BIN, the directory of the programs (`make e2e`).
package survive
