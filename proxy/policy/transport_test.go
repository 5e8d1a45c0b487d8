package policy

import "testing"

func TestChooseTransport(t *testing.T) {
	tests := []struct {
		name        string
		size, limit int
		fallback    bool
		hop         Hop
		want        Transport
	}{
		{"short", 1200, 1300, true, Hop{Stream: true}, Datagram},
		{"at the limit", 1300, 1300, true, Hop{Stream: true}, Datagram},
		{"one byte beyond", 1301, 1300, true, Hop{Stream: true}, Stream},
		{"no way back to UDP", 1301, 1300, false, Hop{Stream: true}, StreamOnly},
		{"UDP by configuration", 1301, 1300, true, Hop{Stream: true, Pinned: true}, Datagram},
		{"UDP by configuration, whatever fallback says", 1301, 1300, false, Hop{Stream: true, Pinned: true}, Datagram},
		{"no listener over TCP", 1301, 1300, true, Hop{}, Datagram},
		{"no listener over TCP and no way back", 1301, 1300, false, Hop{}, UndeliverableUDP},
		{"short, no way back", 1300, 1300, false, Hop{}, Datagram},
		{"no limit", 9000, 0, true, Hop{Stream: true}, Datagram},
		{"beyond a datagram", 65508, 1300, true, Hop{Stream: true}, StreamOnly},
		{"the longest datagram", 65507, 1300, true, Hop{Stream: true}, Stream},
		{"beyond a datagram without TCP", 65508, 1300, true, Hop{}, UndeliverableUDP},
		{"beyond a datagram, pinned", 65508, 0, true, Hop{Stream: true, Pinned: true}, UndeliverableUDP},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ChooseTransport(tt.size, tt.limit, tt.fallback, tt.hop); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
