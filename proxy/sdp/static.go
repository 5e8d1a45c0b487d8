package sdp

// static are the encodings of the payload types that need no a=rtpmap (RFC 3551
// section 6, table 4), in lower case.
var static = [...]string{
	0: "pcmu", 3: "gsm", 4: "g723", 5: "dvi4", 6: "dvi4", 7: "lpc", 8: "pcma", 9: "g722",
	10: "l16", 11: "l16", 12: "qcelp", 13: "cn", 14: "mpa", 15: "g728", 16: "dvi4",
	17: "dvi4", 18: "g729",
}

// notSpeech are encodings no call can be made of: silence (RFC 3389), copies of others
// (RFC 2198, RFC 4588), forward error correction, and digits (RFC 4733). They are in
// lower case.
var notSpeech = []string{"cn", "red", "rtx", "ulpfec", "parityfec", "flexfec", "telephone-event", "tone"}
