// Package sdp takes encodings out of session descriptions (RFC 8866) as offers and
// answers carry them (RFC 3264), without building a model of them: whole lines and
// payload types go, every other byte stays, line ends in either form included.
//
// [Codecs.Prune] works in place and allocates nothing. The result is never longer than
// what was given. It reads only what it must: m= lines of audio over RTP, and the
// a=rtpmap, a=fmtp and a=rtcp-fb lines below them. Video, images and anything over
// another protocol are not touched, and neither is a description it cannot read.
//
// Payload types without a=rtpmap are those of RFC 3551 section 6. Encodings offered
// only as capabilities (a=rmcap, RFC 6871) are not looked at.
package sdp
