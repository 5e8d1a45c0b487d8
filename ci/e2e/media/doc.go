// Package media has sbcd send calls through the real rtpengine: thousands of them that end in every
// way in random order, while an instance dies and comes back and sbcd is killed, and one with
// media both ways. In the end neither rtpengine holds a session.
//
// It needs TRUNKLINE_BIN, the directory of the programs (`make e2e`), and rtpengine (`ci/setup test`).
package media
