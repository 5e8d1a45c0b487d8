package resolve

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/miekg/dns"
)

// DefaultConf is the file the C library finds its name servers in.
const DefaultConf = "/etc/resolv.conf"

// maxServers is how many name servers are asked at most, as in resolv.conf(5) MAXNS.
const maxServers = 3

// LoadServers reads the name servers of a file as resolv.conf(5) has it. Search
// domains and options are not used: the names of destinations are complete.
func LoadServers(path string) ([]netip.AddrPort, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("name servers: %w: give hardware a dns attribute with the addresses of your resolvers and build again", err)
	}
	defer f.Close()
	s, err := readServers(f)
	if err != nil {
		return nil, fmt.Errorf("name servers: %s: %w", path, err)
	}
	return s, nil
}

func readServers(r io.Reader) ([]netip.AddrPort, error) {
	conf, err := dns.ClientConfigFromReader(io.LimitReader(r, 64<<10))
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, text := range conf.Servers {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("nameserver %q is not an IP address: write one", text)
		}
		if out = append(out, netip.AddrPortFrom(a.Unmap(), 53)); len(out) == maxServers {
			break
		}
	}
	if len(out) == 0 {
		return nil, errors.New("there is no nameserver line: give hardware a dns attribute with the addresses of your resolvers and build again")
	}
	return out, nil
}
