// Package report opens the HTML report of the example in a real browser: light,
// dark, on a phone and on paper. The page must be drawn, fit the width, and give
// the console nothing to complain of. What the pipeline gives a reviewer is
// tested beside it.
//
// Needs Chromium (ci/setup installs it); `make e2e` builds the programs and sets
// TRUNKLINE_BIN. With TRUNKLINE_SHOTS naming a directory, the pictures are kept
// there for people to look at.
package report
