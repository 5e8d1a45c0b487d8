package sdp

import "testing"

func TestRefused(t *testing.T) {
	in := "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8 0\r\na=rtcp:4001\r\na=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\r\nm=video 5000/2 RTP/AVP 96\r\na=sendrecv\r\nm=bad\r\nm=image 0 udptl t38"
	want := "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 8 0\r\nm=video 0 RTP/AVP 96\r\na=sendrecv\r\nm=image 0 udptl t38"
	if got := string(AppendRefused(nil, []byte(in))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
