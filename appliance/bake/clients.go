package bake

import (
	"strings"

	"trunkline/appliance/spec"
)

// mostResolvers is what the C library and Go's resolver take (MAXNS, resolv.conf(5)).
const mostResolvers = 3

// Of systemd's time client, which the base layer holds and does not start.
const (
	timesyncUnit = "/usr/lib/systemd/system/systemd-timesyncd.service"
	timesyncWant = "etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service"
	timesyncConf = "etc/systemd/timesyncd.conf.d/10-trunkline.conf"
)

// clientFiles renders what the appliance asks others for: names and the time. Without
// dns and ntp in the spec there is none of it, and nothing is asked.
func clientFiles(h *spec.Hardware, head string) []File {
	var out []File
	if len(h.DNS) > 0 {
		out = append(out, text("etc/resolv.conf", head+resolvConf(h)))
	}
	if len(h.NTP) > 0 {
		out = append(out,
			text(timesyncConf, head+timesync(h)),
			File{Path: timesyncWant, Link: timesyncUnit})
	}
	return out
}

// resolvConf renders resolv.conf(5).
func resolvConf(h *spec.Hardware) string {
	var b strings.Builder
	for _, a := range h.DNS[:min(len(h.DNS), mostResolvers)] {
		b.WriteString("nameserver " + a.String() + "\n")
	}
	return b.String()
}

// timesync renders timesyncd.conf(5). An empty FallbackNTP= takes the distribution's
// own servers out: the appliance asks those of the spec and nobody else.
func timesync(h *spec.Hardware) string {
	return "\n[Time]\nNTP=" + strings.Join(h.NTP, " ") + "\nFallbackNTP=\n"
}
