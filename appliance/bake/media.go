package bake

import (
	"fmt"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
)

// Of the unit that runs one relay by its name, which the base layer holds and does not start.
const (
	relayUnit    = "/usr/lib/systemd/system/rtpengine@.service"
	relayWants   = "etc/systemd/system/sbcd.service.wants/"
	relayDropIns = "etc/systemd/system/"
	relayFiles   = "etc/trunkline/media/"
)

// Of a relay: RTP and RTCP of both sides of a call (RFC 3550 section 11), sockets beside those
// of media, and the type of service that marks media as such, EF (RFC 3246, RFC 4594 section
// 4.1) as the byte of the header.
const (
	portsOfCall  = 4
	otherSockets = 1024
	expedited    = 46 << 2
)

// silence is how long a call without a packet is kept by the relay, seconds; a delete that was
// lost is repeated for as long (proxy/media).
const silence = 60

// mediaFiles renders what has the relays of the spec run on the appliance: their
// configuration, their limits, and that sbcd wants them. Without one there is none of it.
func mediaFiles(p *plan.Plan, head string) []File {
	if p.Appliance.Media == nil {
		return nil
	}
	var out []File
	for k, i := range p.Appliance.Media.Instances {
		if !i.Local {
			continue
		}
		unit := "rtpengine@" + i.Name + ".service"
		out = append(out,
			text(relayFiles+i.Name+".conf", head+relay(i, p.Budget.Media.Instances[k])),
			text(relayDropIns+unit+".d/10-sized.conf", head+relayLimits(i, p.Budget.Media.Instances[k])),
			File{Path: relayWants + unit, Link: relayUnit})
	}
	return out
}

// relay renders the configuration of rtpengine, which takes it as a file of keys (its options
// without dashes) with ';' between the values of a list.
func relay(i runtime.MediaInstance, b sizing.MediaInstance) string {
	var at, control []string
	for _, a := range i.Addresses {
		at = append(at, "media/"+a.Unmap().String())
	}
	for _, c := range i.Control {
		control = append(control, c.String())
	}
	return fmt.Sprintf(`
[rtpengine]
# Packets are relayed by the program: no module of the kernel, which then filters them all.
table = -1
interface = %s
port-min = %d
port-max = %d
# Commands come from sbcd over the loopback; nothing else is listened on.
listen-ng = %s
max-sessions = %d
num-threads = %d
# One thread each for what is not used: playing of files, transcoding.
media-num-threads = 1
# Seconds without media, after which a call that nobody deleted is forgotten.
timeout = %d
# Media is marked as such: EF.
tos = %d
# Warnings and worse.
log-level = 4
`, strings.Join(at, ";"), i.FirstPort, i.LastPort, strings.Join(control, ";"), int(b.Capacity.Value), int(b.Threads.Value), silence, expedited)
}

// relayLimits renders the drop-in with the sized limits of a relay: it takes no more sessions
// than these allow, so that only a leak ends it.
func relayLimits(i runtime.MediaInstance, b sizing.MediaInstance) string {
	return fmt.Sprintf(`
[Service]
LimitNOFILE=%d
MemoryMax=%.0f
`, portsOfCall*int(b.Capacity.Value)*len(i.Addresses)+otherSockets, b.MemoryLimit.Value)
}
