// Package gitops tests the loop a user's repository runs: a push to a bare Git
// repository whose pre-receive hook (ci/git/pre-receive) calls ci/pipeline. A
// right spec gives an image and says what the push changes, a wrong one refuses the
// push and shows its diagnostics to the pusher.
package gitops
