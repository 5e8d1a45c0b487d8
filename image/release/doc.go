// Package release is the contract between who publishes images and the appliances that
// update from them: the index of an appliance, and what an image says of itself.
//
// The directory that appliances update from holds, for each of them, the index NAME.json
// and the image NAME_VERSION.efi that it names. Any web server that serves files serves it.
//
// What is promised: an index that is read names one file of this directory, of a bounded
// size, and nothing else; an image that is read names its appliance and its version, has
// the digest it names, and is told to be signed only by whom its Authenticode signature
// verifies. Hostile indexes and images are refused, not crashed on.
package release
