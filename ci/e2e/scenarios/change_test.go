package scenarios

import (
	"strconv"
	"strings"
)

// body is the body that changes ask for, with its headers.
func (s *script) body(changes []string) string {
	for _, c := range changes {
		if c == "sdp" {
			return content("application/sdp", session)
		}
		if n, ok := strings.CutPrefix(c, "body="); ok {
			return content("text/plain", strings.Repeat("0123456789abcde\n", 1+number(n)/16)[:number(n)])
		}
	}
	return content("", "")
}

// extra are the header lines that changes add.
func (s *script) extra(changes []string) string {
	out := ""
	for _, c := range changes {
		if v, ok := strings.CutPrefix(c, "+"); ok {
			out += s.unquote(v) + "\r\n"
		}
	}
	return out
}

func (s *script) unquote(text string) string {
	v, err := strconv.Unquote(text)
	if err != nil {
		s.fail("%s: %v", text, err)
	}
	return v
}

// compactNames are the short forms of RFC 3261 section 7.3.3.
var compactNames = strings.NewReplacer("\r\nVia:", "\r\nv:", "\r\nFrom:", "\r\nf:", "\r\nTo:", "\r\nt:", "\r\nCall-ID:", "\r\ni:",
	"\r\nContact:", "\r\nm:", "\r\nContent-Length:", "\r\nl:", "\r\nContent-Type:", "\r\nc:")

// change makes the changes of a line of a script to a message.
func (s *script) change(msg string, changes []string) string {
	for _, c := range changes {
		old, repl, replaces := strings.Cut(c, "=>")
		switch {
		case c == "sdp" || strings.HasPrefix(c, "body="):
		case c == "compact":
			head, body, _ := strings.Cut(msg, "\r\n\r\n")
			msg = compactNames.Replace(head) + "\r\n\r\n" + body
		case c == "folded": // RFC 3261 7.3.1
			msg = strings.NewReplacer(";tag=", "\r\n ;tag=", "Call-ID: ", "Call-ID:\r\n\t").Replace(msg)
		case c == "one-via":
			first := true
			msg = edit(msg, func(name, line string) string {
				switch {
				case name != "via":
					return line
				case first:
					first = false
					return "Via: " + strings.Join(values(msg, "via"), ",") + "\r\n"
				}
				return ""
			})
		case strings.HasPrefix(c, "uri="):
			msg = strings.Replace(msg, " "+requestURI(msg)+" ", " "+c[len("uri="):]+" ", 1)
		case strings.HasPrefix(c, "via+"):
			vias := all(msg, "via")
			msg = strings.Replace(msg, vias, vias+s.unquote(c[len("via+"):])+"\r\n", 1)
		case strings.HasPrefix(c, "+"):
			head, body, _ := strings.Cut(msg, "\r\n\r\n")
			msg = head + "\r\n" + s.unquote(c[1:]) + "\r\n\r\n" + body
		case strings.HasPrefix(c, "-"):
			msg = without(msg, strings.ToLower(c[1:]), -1)
		case replaces:
			o, r := s.unquote(old), s.unquote(repl)
			if !strings.Contains(msg, o) {
				s.fail("%q is not in\n%s", o, msg)
			}
			msg = strings.Replace(msg, o, r, -1)
		default:
			s.fail("%q is no change", c)
		}
	}
	return msg
}
