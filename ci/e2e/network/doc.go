// Package network boots an image with bonds, VLANs, static routes, a resolver and a
// time server, and looks at the frames on its cables.
package network
