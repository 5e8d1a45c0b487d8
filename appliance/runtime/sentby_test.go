package runtime

import (
	"net/netip"
	"strings"
	"testing"
)

func TestSentBy(t *testing.T) {
	for _, tt := range []struct {
		address, advertise string
		host               string
		port               uint16
		err                string
	}{
		{address: "10.0.0.1:5062", host: "10.0.0.1", port: 5062},
		{address: "[2001:db8::1]:5060", host: "2001:db8::1", port: 5060},
		{address: "[::ffff:10.0.0.1]:5060", host: "10.0.0.1", port: 5060},
		{address: "10.0.0.1:5062", advertise: "sbc.example", host: "sbc.example", port: 5060},
		{address: "10.0.0.1:5062", advertise: "sbc.example:5070", host: "sbc.example", port: 5070},
		{address: "10.0.0.1:5062", advertise: "192.0.2.1", host: "192.0.2.1", port: 5060},
		{address: "10.0.0.1:5062", advertise: "192.0.2.1:5061", host: "192.0.2.1", port: 5061},
		{address: "10.0.0.1:5062", advertise: "2001:db8::2", host: "2001:db8::2", port: 5060},
		{address: "10.0.0.1:5062", advertise: "[2001:db8::2]", host: "2001:db8::2", port: 5060},
		{address: "10.0.0.1:5062", advertise: "[2001:db8::2]:5070", host: "2001:db8::2", port: 5070},
		{address: "0.0.0.0:5060", advertise: "192.0.2.1", host: "192.0.2.1", port: 5060},
		{address: "0.0.0.0:5060", err: "set advertise"},
		{address: "[::]:5060", err: "set advertise"},
		{address: "10.0.0.1:0", err: "set advertise"},
		{address: "10.0.0.1:5062", advertise: ":5060", err: "it has no host"},
		{address: "10.0.0.1:5062", advertise: "host:", err: `port ""`},
		{address: "10.0.0.1:5062", advertise: "host:0", err: `port "0"`},
		{address: "10.0.0.1:5062", advertise: "host:70000", err: `port "70000"`},
		{address: "10.0.0.1:5062", advertise: "a:b:c", err: "is not host[:port]"},
	} {
		host, port, err := Listener{Address: netip.MustParseAddrPort(tt.address), Advertise: tt.advertise}.SentBy()
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s advertise %q: error %v, want %q", tt.address, tt.advertise, err, tt.err)
			}
			continue
		}
		if err != nil || host != tt.host || port != tt.port {
			t.Errorf("%s advertise %q: %s %d %v, want %s %d", tt.address, tt.advertise, host, port, err, tt.host, tt.port)
		}
	}
}
