package audit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"trunkline/appliance/runtime"
)

// States of /proc/net/tcp and /proc/net/udp (include/net/tcp_states.h): a TCP socket that
// takes connections, a UDP socket that takes datagrams from everybody.
const (
	tcpListen = "0A"
	udpBound  = "07"
)

// clients are users whose sockets wait for answers alone, by what they ask.
var clients = map[string]string{"systemd-timesync": "time"}

// relayUser is whom media relays run as.
const relayUser = "rtpengine"

// relays are those that the spec has on the appliance.
type relays []runtime.MediaInstance

func relaysOf(cfg *runtime.Appliance) relays {
	if cfg.Media == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(cfg.Media.Instances), func(i runtime.MediaInstance) bool { return !i.Local })
}

// media reports whether a relay may have this UDP socket open for a call: it is on one of its
// addresses, and among its ports.
func (r relays) media(at netip.AddrPort) bool {
	return slices.ContainsFunc(r, func(i runtime.MediaInstance) bool {
		return i.FirstPort <= at.Port() && at.Port() <= i.LastPort &&
			slices.ContainsFunc(i.Addresses, func(a netip.Addr) bool { return a.Unmap() == at.Addr() })
	})
}

// sockets holds when nothing but the listeners of the spec takes packets from the network, and
// what its media relays have open for calls and for the commands of sbcd, and nobody reads
// packets past the firewall.
func sockets(root fs.FS, cfg *runtime.Appliance) (string, []string, error) {
	wanted := map[string]bool{}
	for _, l := range cfg.Listeners {
		network := "tcp"
		if l.Transport == "" || l.Transport == "udp" {
			network = "udp"
		}
		wanted[network+" "+l.Address.String()] = true
		if network == "udp" && l.OverTCP != "" {
			wanted["tcp "+l.Address.String()] = true
		}
	}
	local, listeners := relaysOf(cfg), len(wanted)
	control := map[string]bool{}
	for _, i := range local {
		for _, c := range i.Control {
			control["udp "+netip.AddrPortFrom(c.Addr().Unmap(), c.Port()).String()] = true
		}
	}
	users, err := accounts(root)
	if err != nil {
		return "", nil, err
	}
	var bad, asking []string
	open, commands, streams := map[string]bool{}, map[string]bool{}, 0
	for _, table := range []struct{ file, network, state string }{
		{"tcp", "tcp", tcpListen}, {"tcp6", "tcp", tcpListen}, {"udp", "udp", udpBound}, {"udp6", "udp", udpBound},
	} {
		rows, err := lines(root, "proc/self/net/"+table.file, true)
		if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(table.file, "6") {
			continue // a kernel without IPv6
		} else if err != nil {
			return "", nil, err
		}
		for _, f := range rows {
			if len(f) < 8 || f[3] != table.state {
				continue
			}
			at, err := endpoint(f[1])
			if err != nil {
				return "", nil, fmt.Errorf("/proc/net/%s: %w", table.file, err)
			}
			name, owner := table.network+" "+at.String(), users[f[7]]
			switch {
			case wanted[name]:
				open[name] = true
			case owner == relayUser && control[name]:
				commands[name] = true
			case owner == relayUser && table.network == "udp" && local.media(at):
				streams++
			case clients[owner] != "":
				asking = append(asking, clients[owner])
			default:
				bad = append(bad, fmt.Sprintf("%s is open, of user %s, and no listener of the spec", name, or(owner, f[7])))
			}
		}
	}
	for _, table := range []struct{ file, what string }{{"raw", "raw IPv4"}, {"raw6", "raw IPv6"}, {"packet", "packet"}} {
		rows, err := lines(root, "proc/self/net/"+table.file, true)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", nil, err
		}
		if len(rows) > 0 {
			bad = append(bad, fmt.Sprintf("%d %s sockets are open", len(rows), table.what))
		}
	}
	for name := range wanted {
		if !open[name] {
			bad = append(bad, name+" is a listener of the spec, and not open")
		}
	}
	for name := range control {
		if !commands[name] {
			bad = append(bad, name+" takes commands for a media relay of the spec, and is not open")
		}
	}
	slices.Sort(bad)
	saw := fmt.Sprintf("%d of %d listeners open, nothing else", len(open), listeners)
	if len(control) > 0 {
		saw = fmt.Sprintf("%d of %d listeners open, %d of %d sockets for commands to media relays, %d for media, nothing else",
			len(open), listeners, len(commands), len(control), streams)
	}
	if len(asking) > 0 {
		slices.Sort(asking)
		saw += " but what asks for " + strings.Join(slices.Compact(asking), ", ")
	}
	return saw, bad, nil
}

// accounts are user names by number.
func accounts(root fs.FS) (map[string]string, error) {
	b, err := fs.ReadFile(root, "etc/passwd")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Split(line, ":"); len(f) > 2 {
			out[f[2]] = f[0]
		}
	}
	return out, nil
}

// endpoint reads the address and port of /proc/net/tcp and its like: words of 32 bits as
// the CPU has them, which on x86 is the last byte first, then the port.
func endpoint(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", s)
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", s)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
