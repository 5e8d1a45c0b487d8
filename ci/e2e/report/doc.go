// Package report opens the HTML reports of an appliance and of a fleet in a real
// browser: light, dark, on a phone and on paper. The pages must be drawn, fit the
// width, and give the console nothing to complain of; a fleet's table is sorted by
// clicks. What the pipeline gives a reviewer is tested beside it: diffs against the
// base revision, and the one comment, put there through the hosts' API.
//
// Needs Chromium (ci/setup installs it); `make e2e` builds the programs and sets
// TRUNKLINE_BIN. With TRUNKLINE_SHOTS naming a directory, the pictures are kept
// there for people to look at.
package report
