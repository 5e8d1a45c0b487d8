package spec

// hardwareTexts are of hardwareSchema.
var hardwareTexts = map[string]description{
	"hardware":                      {text: "The machine the appliance is sized for. The plan refuses a workload that does not fit."},
	"hardware.platform":             {text: "What the image is built for.", kind: KindText, choices: []string{PlatformVM, PlatformBaremetal}},
	"hardware.memory":               {text: "Main memory of the machine.", kind: KindSize, low: `"256MiB"`, high: `"64TiB"`},
	"hardware.cpu":                  {text: "Processors. Workers are one per hardware thread at most."},
	"hardware.cpu.cores":            {text: "Physical cores.", kind: KindWhole, low: "1", high: "1024"},
	"hardware.cpu.threads_per_core": {text: "Hardware threads of each core.", kind: KindWhole, def: "1", low: "1", high: "8"},
	"hardware.nic":                  {text: "A network interface. Its name is what the interface is called inside the appliance: a letter, then letters, digits, hyphens, underscores or dots, 15 characters in all."},
	"hardware.nic.match":            {text: "Which card this is, by its MAC. May be written as a block as well.", kind: KindObject, without: "the only card of the machine", rule: "needed with more than one NIC"},
	"hardware.nic.match.mac":        {text: "The card's own Ethernet address.", kind: KindText},
	"hardware.nic.speed":            {text: "Speed of the link.", kind: KindRate, without: "not stated, and not checked", low: `"1Mbps"`, high: `"1Tbps"`},
	"hardware.nic.queues":           {text: "Receive queues of the card.", kind: KindWhole, def: "1", low: "1", high: "256"},
	"hardware.nic.mtu":              {text: "Largest IP packet the link carries, bytes.", kind: KindWhole, def: "1500", low: "576", high: "65535", rule: "at least 1280 with an IPv6 address (RFC 8200 section 5)"},
	"hardware.nic.addresses":        {text: "Addresses of the interface, each with its prefix length; IPv4 and IPv6.", kind: KindTexts, rule: "each address on one NIC alone; no network, broadcast, multicast or loopback address"},
	"hardware.nic.gateway":          {text: "Default gateway.", kind: KindText, without: "no default route", rule: "within a subnet of the NIC, or IPv6 link-local; one per family and machine; not beside gateways"},
	"hardware.nic.gateways":         {text: "Default gateways, one per family.", kind: KindTexts, without: "no default route", rule: "as gateway; not beside it"},
}
