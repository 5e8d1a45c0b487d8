package spec

// hardwareTexts are of hardwareSchema.
var hardwareTexts = map[string]description{
	"hardware":                      {text: "The machine the appliance is sized for. The plan refuses a workload that does not fit."},
	"hardware.platform":             {text: "What the image is built for.", kind: KindText, choices: []string{PlatformVM, PlatformBaremetal}},
	"hardware.memory":               {text: "Main memory of the machine.", kind: KindSize, low: `"256MiB"`, high: `"64TiB"`},
	"hardware.cpu":                  {text: "Processors. Workers are one per hardware thread at most."},
	"hardware.cpu.cores":            {text: "Physical cores.", kind: KindWhole, low: "1", high: "1024"},
	"hardware.cpu.threads_per_core": {text: "Hardware threads of each core.", kind: KindWhole, def: "1", low: "1", high: "8"},
	"hardware.dns":                  {text: "Resolvers the appliance asks, in this order.", kind: KindTexts, without: "no names are resolved", rule: "addresses in a subnet, behind a gateway or a route; resolv.conf(5) takes 3"},
	"hardware.ntp":                  {text: "Time servers: addresses or host names. One that answers is followed.", kind: KindTexts, without: "the clock is the machine's own, and nothing is asked", rule: "addresses that are reachable; names need dns"},

	"hardware.console":    {text: "Consoles of the kernel. It writes to all of them, and the appliance's own lines (ready, refused) go to the last one, which is /dev/console. The serial port of a BMC is often ttyS1. One of each kind: screen (tty0), serial port, hypervisor's (hvc0).", kind: KindTexts, without: `["tty0", "ttyS0,115200"]`, rule: "tty0, ttyS0 or hvc0, with other numbers; a serial port with its speed"},
	"hardware.mismatch":   {text: "What the appliance does when its machine has fewer cores, less memory or other cards or disks than the spec says; more is fine. refuse: it takes no calls and says on its console what is missing. resize: it runs with fewer workers and less state, by the plan's own rules, and says so; without a card or disk it refuses. warn: it runs as planned and says so.", kind: KindText, def: `"refuse"`, choices: []string{MismatchRefuse, MismatchResize, MismatchWarn}},
	"hardware.cpu.vendor": {text: "Maker of the processors: on bare metal the image brings its microcode, and drivers of its chipsets.", kind: KindText, without: "those of both makers", choices: []string{VendorIntel, VendorAMD}},

	"hardware.nic":           {text: "A network card. Its name is what the interface is called inside the appliance: a letter, then letters, digits, hyphens, underscores or dots, 15 characters in all, shared by no other nic, bond or vlan. Wherever a NIC is named, a bond or VLAN may be."},
	"hardware.nic.match":     {text: "Which card this is, by its MAC. May be written as a block as well.", kind: KindObject, without: "the only card of the machine", rule: "needed with more than one card"},
	"hardware.nic.match.mac": {text: "The card's own Ethernet address.", kind: KindText},
	"hardware.nic.driver":    {text: "The kernel's driver of the card, as `lspci -k` shows it. On bare metal the image holds the drivers and firmware that the spec names and no others; in a virtual machine it is what preflight expects.", kind: KindText, without: "any, in a virtual machine", rule: "needed on bare metal; of those listed under Drivers"},
	"hardware.nic.speed":     {text: "Speed of the link. The appliance tells when it is slower.", kind: KindRate, without: "not stated, and not checked", low: `"1Mbps"`, high: `"1Tbps"`},
	"hardware.nic.queues":    {text: "Receive queues of the card.", kind: KindWhole, def: "1", low: "1", high: "256"},
	"hardware.nic.addresses": {text: addressesText, kind: KindTexts, without: "none", rule: "needed unless the card is a member of a bond or the parent of a VLAN; each address on one NIC alone; no network, broadcast, multicast or loopback address"},

	"hardware.bond":           {text: "Several cards as one interface, so that a cable or switch may fail. Link state is looked at every 100 ms; with LACP, PDUs are asked for every second and flows are spread by addresses and ports."},
	"hardware.bond.members":   {text: "The cards, by name.", kind: KindTexts, rule: "cards of no other bond, without addresses, gateway or VLANs of their own; two at least, or the plan warns"},
	"hardware.bond.mode":      {text: "802.3ad is LACP: the switch must be set up for it, and all cards carry traffic. In a virtual machine, whose cards tell no speed, they are given theirs of the spec, else 10 Gbps. active-backup: one card at a time, any switch.", kind: KindText, def: `"802.3ad"`, choices: []string{BondLACP, BondActiveBackup}},
	"hardware.bond.addresses": {text: addressesText, kind: KindTexts, without: "none", rule: "needed unless the bond is the parent of a VLAN; as those of a nic"},

	"hardware.vlan":           {text: "One 802.1Q network of a card or bond: an interface of its own, whose packets are tagged."},
	"hardware.vlan.parent":    {text: "The card or bond that carries it.", kind: KindText, rule: "no VLAN, no member of a bond"},
	"hardware.vlan.id":        {text: "The id in the tag.", kind: KindWhole, low: "1", high: "4094", rule: "once per parent"},
	"hardware.vlan.addresses": {text: addressesText, kind: KindTexts, without: "none", rule: "at least one; as those of a nic"},

	"hardware.route":             {text: "A network behind a router other than the default gateway."},
	"hardware.route.destination": {text: "The network.", kind: KindText, rule: "a prefix without host bits; once; not within a subnet of a NIC; everything is gateway's, not a route's"},
	"hardware.route.via":         {text: "Address of the router.", kind: KindText, rule: "a neighbour of one NIC, of the destination's family"},
	"hardware.route.nic":         {text: "The NIC that faces the router.", kind: KindText, without: "found by the address of the router", rule: "needed for a link-local router"},

	"hardware.disk":            {text: "A disk of the machine. Its name is for people. The firmware reads the image, which holds all that runs: disks are for updates and for what outlives them. The appliance looks before it takes calls whether they are there."},
	"hardware.disk.match":      {text: "Which disk this is, by the path of its device. May be written as a block as well.", kind: KindObject, without: "the only disk of the machine", rule: "needed with more than one disk"},
	"hardware.disk.match.path": {text: "Path of the device. Names below /dev/disk/by-id stay when disks are added.", kind: KindText, rule: "below /dev"},
	"hardware.disk.driver":     {text: "The kernel's driver of its controller. On bare metal the image has this one.", kind: KindText, without: "any, in a virtual machine", rule: "needed on bare metal; of those listed under Drivers"},
	"hardware.disk.size":       {text: "Size of the disk, at least.", kind: KindSize, without: "not stated, and not checked", low: `"1GiB"`, high: `"64TiB"`},
}

const addressesText = "Addresses of the interface, each with its prefix length; IPv4 and IPv6."

// interfaceTexts are of what every kind of interface has, but for addresses, whose
// rules differ.
func interfaceTexts() map[string]description {
	out := map[string]description{}
	for _, kind := range []string{"nic", "bond", "vlan"} {
		out["hardware."+kind+".gateway"] = description{text: "Default gateway.", kind: KindText, without: "no default route", rule: "within a subnet of the NIC, or IPv6 link-local; one per family and machine; not beside gateways"}
		out["hardware."+kind+".gateways"] = description{text: "Default gateways, one per family.", kind: KindTexts, without: "no default route", rule: "as gateway; not beside it"}
		out["hardware."+kind+".management"] = description{text: "The interface is for operating the appliance: no listener may be on it.", kind: KindBoolean, def: "false", rule: "one interface at least is for SIP"}
		mtu := description{text: "Largest IP packet the link carries, bytes.", kind: KindWhole, def: "1500", low: "576", high: "65535", rule: "at least 1280 with an IPv6 address (RFC 8200 section 5)"}
		if kind == "nic" {
			mtu.rule += "; of a member: the bond's"
		}
		if kind == "vlan" {
			mtu.def, mtu.without, mtu.rule = "", "that of its parent", mtu.rule+"; at most the parent's"
		}
		out["hardware."+kind+".mtu"] = mtu
	}
	return out
}
