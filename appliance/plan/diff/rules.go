package diff

import (
	"path"
	"strings"
)

// Rule is one row of the impact table.
type Rule struct {
	Path   string // of a field in appliance.json, objects of a list as []
	Group  Group
	Impact Impact // the least that could bring a change of it in
	OnAdd  Impact // of what is only added; empty: as Impact
	// Host is what it takes today where sbcd runs on a host from a baked tree
	// (`trunkline bake`): sbcd reads its configuration at start, `sbcd firewall`
	// loads the packet filter into the running kernel.
	Host Impact
	How  string // what taking it up means
	Unit string // of the value
	// Guard: without this (false, 0 or gone) something is unbounded or open. Its
	// end is a removal.
	Guard bool
}

// Rules is the impact table. A field without a row of its own has that of the
// nearest row above it ("dispatchers[].probe" for "dispatchers[].probe.from").
var Rules = []Rule{
	{Path: "name", Group: Machine, Impact: Reboot, Host: Restart, How: "the host name is set at boot"},
	{Path: "site", Group: Machine, Impact: Live, Host: Restart, How: "a label in status and metrics"},
	{Path: "format_version", Group: Machine, Impact: Reboot, Host: Restart, How: "sbcd of another version reads it"},

	{Path: "hardware.threads", Group: Machine, Impact: Reboot, Host: Restart, How: "another machine"},
	{Path: "hardware.memory_bytes", Group: Machine, Impact: Reboot, Host: Restart, How: "another machine", Unit: "B"},
	{Path: "hardware.platform", Group: Machine, Impact: Reboot, Host: None, How: "another kernel"},
	{Path: "hardware.cores", Group: Machine, Impact: Reboot, Host: Restart, How: "another machine"},
	{Path: "hardware.disks[]", Group: Machine, Impact: Reboot, Host: None, How: "looked for at boot"},
	{Path: "hardware.mismatch", Group: Machine, Impact: Reboot, Host: None, How: "looked at before the proxy starts"},
	{Path: "hardware.resize", Group: Sizing, Impact: Restart, Host: None, How: "what a smaller machine is planned by"},
	{Path: "hardware.console", Group: Machine, Impact: Reboot, Host: None, How: "on the kernel's command line"},
	{Path: "hardware.nics[]", Group: Machine, Impact: Reboot, Host: Reboot, How: "interfaces get their names at boot"},
	{Path: "hardware.nics[].queues", Group: Sizing, Impact: Live, Host: Restart, How: "interrupts and steering are set anew"},
	{Path: "hardware.nics[].driver", Group: Machine, Impact: Reboot, Host: None, How: "drivers come with the image"},
	{Path: "hardware.nics[].speed", Group: Machine, Impact: Reboot, Host: None, How: "looked at before the proxy starts", Unit: "bit/s"},
	{Path: "hardware.nics[].addresses", Group: Machine, Impact: Restart, OnAdd: Live, Host: Restart,
		How: "an address can be added to a running interface; one taken away closes the sockets bound to it"},

	{Path: "listeners[]", Group: Listeners, Impact: Restart, OnAdd: Live, Host: Restart,
		How: "a new socket can be bound beside the others; one that goes takes the transactions on it along"},
	{Path: "listeners[].nic", Group: Listeners, Impact: Restart, Host: Restart, How: "the socket is bound anew"},
	{Path: "listeners[].transport", Group: Listeners, Impact: Restart, Host: Restart, How: "the socket is bound anew"},
	{Path: "listeners[].address", Group: Listeners, Impact: Restart, Host: Restart, How: "the socket is bound anew; calls in progress know the old one"},
	{Path: "listeners[].advertise", Group: Listeners, Impact: Restart, Host: Restart, How: "calls in progress carry the old name in their Record-Route"},
	{Path: "listeners[].sources", Group: Listeners, Impact: Live, Host: Restart, How: "firewall: one transaction; sbcd: a table swapped"},
	{Path: "listeners[].peers", Group: Listeners, Impact: Live, Host: Restart, How: "firewall: one transaction; sbcd: a table swapped"},
	{Path: "listeners[].workers", Group: Sizing, Impact: Restart, Host: Restart, How: "a socket is bound for each worker at start"},
	{Path: "listeners[].steering", Group: Sizing, Impact: Restart, Host: Restart, How: "workers get their queues at start"},
	{Path: "listeners[].socket_count", Group: Sizing, Impact: Restart, Host: Restart, How: "all sockets of a group are bound at start"},
	{Path: "listeners[].recv_buffer", Group: Sizing, Impact: Restart, Host: Restart, How: "given to a socket when it is bound", Unit: "B"},
	{Path: "listeners[].send_buffer", Group: Sizing, Impact: Restart, Host: Restart, How: "given to a socket when it is bound", Unit: "B"},
	{Path: "listeners[].over_tcp", Group: Listeners, Impact: Live, Host: Restart, How: "from the next message on"},
	{Path: "listeners[].tos", Group: Listeners, Impact: Live, Host: Restart, How: "set on the sockets there are"},
	{Path: "listeners[].tls", Group: Listeners, Impact: Live, Host: Restart, How: "from the next handshake on; connections there are stay", Guard: true},
	{Path: "listeners[].tls.client_ca", Group: Listeners, Impact: Live, Host: Restart, How: "from the next handshake on; connections there are stay", Guard: true},
	{Path: "listeners[].connections", Group: Listeners, Impact: Live, Host: Restart, How: "for new connections"},
	{Path: "listeners[].connections.max", Group: Sizing, Impact: Restart, Host: Restart, How: "slots are laid out at start", Unit: "connections"},
	{Path: "listeners[].max_message", Group: Listeners, Impact: Restart, Host: Restart, How: "workers take their buffers at start", Unit: "B"},

	{Path: "resolvers", Group: Calls, Impact: Live, Host: Restart, How: "asked from the next question on"},
	{Path: "dispatchers[]", Group: Calls, Impact: Live, Host: Restart, How: "a table swapped; calls in progress keep their destination"},
	{Path: "dispatchers[].probe", Group: Calls, Impact: Live, Host: Restart, How: "from the next probe on", Guard: true},
	{Path: "dispatchers[].failover", Group: Calls, Impact: Live, Host: Restart, How: "from the next attempt on"},
	{Path: "dispatchers[].failover.on_timeout", Group: Calls, Impact: Live, Host: Restart, How: "from the next attempt on", Guard: true},
	{Path: "routes[]", Group: Calls, Impact: Live, Host: Restart, How: "a table swapped: from the next call on"},
	{Path: "caches[]", Group: Calls, Impact: Live, Host: Restart, How: "loaded beside the old one, then swapped"},

	{Path: "limits", Group: Calls, Impact: Live, Host: Restart, How: "from the next call on"},
	{Path: "limits.cps", Group: Calls, Impact: Live, Host: Restart, How: "from the next call on", Unit: "calls/s", Guard: true},
	{Path: "limits.concurrent_calls", Group: Calls, Impact: Live, Host: Restart, How: "from the next call on", Unit: "calls", Guard: true},
	{Path: "limits.burst", Group: Calls, Impact: Live, Host: Restart, How: "from the next call on", Unit: "calls"},
	{Path: "limits.retry_after", Group: Calls, Impact: Live, Host: Restart, How: "from the next call on", Unit: "s"},
	{Path: "limits.emergency", Group: Calls, Impact: Live, Host: Restart, How: "from the next call on", Guard: true},
	{Path: "limits.emergency.calls", Group: Sizing, Impact: Restart, Host: Restart, How: "slots are laid out at start", Unit: "slots"},
	{Path: "limits.emergency.transactions", Group: Sizing, Impact: Restart, Host: Restart, How: "slots are laid out at start", Unit: "slots"},
	{Path: "limits.emergency.message_bytes", Group: Sizing, Impact: Restart, Host: Restart, How: "laid out at start", Unit: "B"},
	{Path: "limits.listeners[]", Group: Calls, Impact: Live, Host: Restart, How: "from the next call on"},
	{Path: "limits.sources[]", Group: Calls, Impact: Live, Host: Restart, How: "from the next call on"},
	{Path: "limits.carriers[]", Group: Calls, Impact: Live, Host: Restart, How: "from the next call on"},
	{Path: "session", Group: Calls, Impact: Live, Host: Restart, How: "of new calls; those in progress keep what they negotiated", Guard: true},
	{Path: "messages", Group: Calls, Impact: Live, Host: Restart, How: "from the next message on"},
	{Path: "messages.hide_topology", Group: Calls, Impact: Restart, Host: Restart, How: "calls in progress know the hops", Guard: true},
	{Path: "media", Group: Calls, Impact: Live, Host: Restart, How: "of new calls; those in progress keep their relay", Guard: true},
	{Path: "media.instances[]", Group: Calls, Impact: Live, Host: Restart, How: "of new calls; those in progress keep their relay"},
	{Path: "sockets", Group: Listeners, Impact: Live, Host: Restart, How: "the table is read anew"},
	{Path: "sockets.workers", Group: Sizing, Impact: Restart, Host: Restart, How: "workers are made at start", Unit: "workers"},
	{Path: "sockets.max_sockets", Group: Sizing, Impact: Restart, Host: Restart, How: "slots are laid out at start", Unit: "sockets"},
	{Path: "databases[]", Group: Machine, Impact: Live, Host: Restart, How: "new connections, then the old ones close"},
	{Path: "secrets[]", Group: Machine, Impact: Restart, Host: Restart, How: "credentials are handed to sbcd when it starts"},
	{Path: "update", Group: Machine, Impact: Live, Host: Live, How: "from the next look for an update on", Guard: true},
	{Path: "update.offset", Group: Machine, Impact: Live, Host: Live, How: "from the next boot on"},
	{Path: "transaction", Group: Calls, Impact: Live, Host: Restart, How: "of new transactions; those in progress keep theirs"},
	{Path: "transaction.drain_timeout", Group: Calls, Impact: Restart, Host: Restart, How: "the service manager waits as long before it kills"},

	{Path: "state.transactions", Group: Sizing, Impact: Restart, Host: Restart, How: "slots are laid out at start", Unit: "slots"},
	{Path: "state.message_bytes", Group: Sizing, Impact: Restart, Host: Restart, How: "laid out at start", Unit: "B"},
	{Path: "state.calls", Group: Sizing, Impact: Restart, Host: Restart, How: "slots are laid out at start", Unit: "slots"},
	{Path: "state.high_water", Group: Sizing, Impact: Live, Host: Restart, How: "from the next call on"},
	{Path: "state.budget_bytes", Group: Sizing, Impact: Restart, Host: Restart, How: "laid out at start", Unit: "B"},
	{Path: "state.process_memory", Group: Sizing, Impact: Restart, Host: Restart, How: "in the environment of the service", Unit: "B"},

	{Path: "state.huge_pages", Group: Sizing, Impact: Reboot, Host: Reboot, How: "large pages are set aside at boot", Unit: "B"},
	{Path: "state.persistence", Group: Calls, Impact: Restart, Host: Restart, How: "opened at start", Guard: true},
	{Path: "control.remote", Group: Machine, Impact: Live, Host: Restart, How: "bound beside the old one"},
	{Path: "control.remote.client_ca", Group: Machine, Impact: Live, Host: Restart, How: "from the next connection on", Guard: true},
	{Path: "control.metrics", Group: Machine, Impact: Live, Host: Restart, How: "bound beside the old one"},
	{Path: "control.hep", Group: Machine, Impact: Live, Host: Restart, How: "from the next message on"},
	{Path: "control.cdr", Group: Machine, Impact: Restart, Host: Restart, How: "rows of records are part of the state of calls", Guard: true},
	{Path: "control.log_level", Group: Machine, Impact: Live, Host: Restart, How: "at once"},
	{Path: "control", Group: Machine, Impact: Restart, Host: Restart, How: "the control socket is opened at start"},
	{Path: "firewall", Group: Listeners, Impact: Live, Host: Live, How: "the whole ruleset is replaced in one transaction"},
	{Path: "firewall.enabled", Group: Listeners, Impact: Live, Host: Live, How: "the whole ruleset is replaced in one transaction", Guard: true},
	{Path: "firewall.source_rate", Group: Listeners, Impact: Live, Host: Live, How: "the whole ruleset is replaced in one transaction", Unit: "packets/s", Guard: true},
	{Path: "firewall.source_burst", Group: Listeners, Impact: Live, Host: Live, How: "the whole ruleset is replaced in one transaction", Unit: "packets"},
	{Path: "firewall.icmp_rate", Group: Listeners, Impact: Live, Host: Live, How: "the whole ruleset is replaced in one transaction", Unit: "packets/s"},

	// Beyond appliance.json: what the budget puts into other files, or tells.
	{Path: "sysctls[]", Group: Sizing, Impact: Restart, Host: Restart, How: "sockets take their limits when they are bound"},
	{Path: "budget", Group: Sizing, Impact: None, Host: None, How: "a figure of the plan"},
	{Path: "budget.open_files", Group: Sizing, Impact: Restart, Host: Restart, How: "a limit of the service"},
}

// hereRules are the rows of media instances on the appliance itself, before those of Rules:
// what starts such a relay anew takes its calls' media.
var hereRules = []Rule{
	{Path: "media", Group: Machine, Impact: Restart, OnAdd: Reboot, Host: Restart, How: "relays come with the image; the calls of one that goes lose their media"},
	{Path: "media.instances[]", Group: Machine, Impact: Restart, OnAdd: Reboot, Host: Restart, How: "a relay comes with the image; the calls of one that goes or starts anew lose their media"},
	{Path: "media.instances[].local", Group: Machine, Impact: Reboot, Host: Restart, How: "a relay comes with the image"},
	{Path: "media.instances[].weight", Group: Calls, Impact: Live, Host: Restart, How: "of new calls; those in progress keep their relay"},
}

// fileRules is the same for files of the config layer, by pattern (path.Match).
// What the rules above know more exactly is judged by them.
var fileRules = []Rule{
	{Path: "etc/trunkline/appliance.json", Impact: None, How: "see the changes above"},
	{Path: "etc/trunkline/caches/*", Impact: Live, Host: Restart, How: "loaded beside the old table, then swapped"},
	{Path: "etc/trunkline/media/*.conf", Impact: Restart, OnAdd: Reboot, Host: Restart, How: "a relay comes with the image; the calls of one that goes or starts anew lose their media"},
	{Path: "etc/systemd/system/rtpengine@*.service.d/*", Impact: Restart, OnAdd: Reboot, Host: None, How: "limits of a relay, which starts anew: its calls lose their media"},
	{Path: "etc/systemd/system/sbcd.service.wants/rtpengine@*.service", Impact: Restart, OnAdd: Reboot, Host: None, How: "a relay comes with the image; the calls of one that goes lose their media"},
	{Path: "etc/nftables/*", Impact: Live, Host: Live, How: "the whole ruleset is replaced in one transaction"},
	{Path: "etc/sysctl.d/*", Impact: Restart, Host: Restart, How: "sockets take their limits when they are bound"},
	{Path: "etc/systemd/system/sbcd.service.d/*", Impact: Restart, Host: Restart, How: "limits, environment and credentials of the service"},
	{Path: "etc/systemd/network/*.network", Impact: Restart, OnAdd: Reboot, Host: Restart, How: "networkd reads it anew; an address taken away closes the sockets bound to it"},
	{Path: "etc/systemd/network/*.link", Impact: Reboot, Host: Reboot, How: "interfaces get their names at boot"},
	{Path: "etc/systemd/network/*.netdev", Impact: Reboot, Host: Reboot, How: "bonds and VLANs are made at boot"},
	{Path: "etc/resolv.conf", Impact: Live, Host: Live, How: "read at the next look-up"},
	{Path: "etc/systemd/timesyncd.conf.d/*", Impact: Restart, Host: Restart, How: "the time service starts anew; calls do not notice"},
	{Path: "etc/systemd/system/trunkline-update.timer", Impact: Live, Host: Live, How: "the timer starts anew"},
	{Path: "etc/systemd/system/timers.target.wants/*", Impact: Live, Host: Live, How: "the timer starts, or stops"},
	{Path: "etc/trunkline/update-*.pem", Impact: Live, Host: Live, How: "read at the next look for an update"},
	{Path: "etc/systemd/system.conf.d/*", Impact: Reboot, Host: None, How: "read by the service manager when it starts"},
	{Path: "etc/hostname", Impact: Reboot, Host: Restart, How: "the host name is set at boot"},
}

// unknown is for what no row covers: the safe side.
var unknown = Rule{Group: Machine, Impact: Reboot, Host: Reboot, How: "not in the impact table"}

// ruleOf finds the row of a field; here: of what is on the appliance itself.
func ruleOf(p string, here bool) (Rule, bool) {
	if here {
		if r, ok := find(hereRules, p); ok {
			return r, true
		}
	}
	return find(Rules, p)
}

// find is the row of a field in a table: its own, or that of what it is in.
func find(rules []Rule, p string) (Rule, bool) {
	for p != "" {
		for _, r := range rules {
			if r.Path == p {
				return r, true
			}
		}
		// One step up: "a[].b" -> "a[]", "a[]" -> "".
		i := strings.LastIndexByte(p, '.')
		if i < 0 {
			break
		}
		p = p[:i]
		// Guards and units are those of the very field.
		if r, ok := find(rules, p); ok {
			r.Guard, r.Unit, r.OnAdd = false, "", ""
			return r, true
		}
	}
	return unknown, false
}

func fileRuleOf(name string) Rule {
	for _, r := range fileRules {
		if ok, err := path.Match(r.Path, name); ok && err == nil {
			return r
		}
	}
	return unknown
}

// on is the impact of an action.
func (r Rule) on(action string) Impact {
	if action == Add && r.OnAdd != "" {
		return r.OnAdd
	}
	return r.Impact
}
