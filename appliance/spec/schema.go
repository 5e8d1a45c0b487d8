package spec

// FormatVersion is the version of the spec language this code reads.
const FormatVersion = 1

// attrSchema is one attribute a block may hold.
type attrSchema struct {
	name     string
	example  string // a value as one would write it; shown when it is missing or of a wrong type
	required bool
	later    bool // part of the language, not built in this version
}

// blockSchema is one block type. Its labels are names: at most one in this language.
type blockSchema struct {
	typ      string
	labelled bool
	required bool // at least one
	many     bool // more than one
	later    bool // part of the language, not built in this version
	open     bool // attributes of any name
	attrs    []attrSchema
	blocks   []blockSchema
}

func must(name, example string) attrSchema {
	return attrSchema{name: name, example: example, required: true}
}
func may(name, example string) attrSchema { return attrSchema{name: name, example: example} }
func laterAttr(name string) attrSchema    { return attrSchema{name: name, later: true} }
func laterBlock(typ string) blockSchema   { return blockSchema{typ: typ, later: true} }

// rootSchema is the whole language of this version. What is marked later gets a
// diagnostic of its own, so that nobody hunts for a typing error.
var rootSchema = blockSchema{
	attrs: []attrSchema{must("format_version", "1")},
	blocks: []blockSchema{
		{typ: "appliance", labelled: true, required: true, attrs: []attrSchema{
			may("site", `"fra1"`),
			may("variables", `{ address = "203.0.113.10" }`),
		}},
		hardwareSchema,
		{typ: "workload", required: true, attrs: []attrSchema{
			must("cps", "1000"),
			must("concurrent_calls", "60000"),
			must("call_duration", `"60s"`),
			may("ring_time", `"8s"`),
		}},
		{typ: "listener", labelled: true, required: true, many: true, attrs: []attrSchema{
			may("nic", `"wan"`),
			must("address", `"203.0.113.10"`),
			may("port", "5060"),
			may("transport", `"udp"`),
			may("advertise", `"sip.example.net:5060"`),
			must("sources", `["198.51.100.0/24"]`),
			may("workers", `"auto"`),
			may("share", "0.5"),
			laterAttr("tls"), laterAttr("tos"),
		}},
		dispatcherSchema,
		{typ: "route", labelled: true, many: true, attrs: []attrSchema{
			may("from", `["carrier-a"]`),
			may("prefix", `"+49"`),
			may("to", `["core"]`),
			may("cache", `"carriers"`),
		}},
		{typ: "cache", labelled: true, many: true, attrs: []attrSchema{
			must("source", `"file"`),
			must("file", `"carriers.csv"`),
			may("warmup", `"sync"`),
			may("on_fail", `"refuse"`),
			may("timeout", `"60s"`),
			may("rows", "100000"),
			laterAttr("query"), laterAttr("url"), laterAttr("refresh"),
		}},
		{typ: "limits", attrs: []attrSchema{
			may("cps", "1200"),
			may("burst", "1200"),
			may("concurrent_calls", "66000"),
			may("retry_after", `"5s"`),
			may("message_size", `"64KiB"`),
		}, blocks: []blockSchema{laterBlock("listener"), laterBlock("source"), laterBlock("carrier")}},
		{typ: "transaction", attrs: []attrSchema{
			may("reply_timeout", `"5s"`),
			may("invite_timeout", `"30s"`),
			may("wait", `"5s"`),
			may("call_lifetime", `"30m"`),
		}},
		{typ: "state", attrs: []attrSchema{
			may("memory", `"auto"`),
			may("high_water", "0.9"),
			laterAttr("hugepages"),
		}},
		{typ: "firewall", attrs: []attrSchema{
			may("enabled", "true"),
			may("source_rate", "2000"),
			may("source_burst", "4000"),
		}},
		variableSchema, {typ: "locals", many: true, open: true}, laterBlock("media"), laterBlock("session"),
		laterBlock("messages"), laterBlock("sockets"), laterBlock("control"), laterBlock("update"),
		laterBlock("secret"),
		waiverSchema,
	},
}

var hardwareSchema = blockSchema{
	typ: "hardware", required: true,
	attrs: []attrSchema{
		must("platform", `"vm"`),
		must("memory", `"16GiB"`),
		laterAttr("dns"), laterAttr("ntp"),
	},
	blocks: []blockSchema{
		{typ: "cpu", required: true, attrs: []attrSchema{
			must("cores", "8"),
			may("threads_per_core", "2"),
		}},
		{typ: "nic", labelled: true, required: true, many: true, attrs: []attrSchema{
			may("match", `{ mac = "52:54:00:12:34:56" }`),
			may("speed", `"10Gbps"`),
			may("queues", "4"),
			may("mtu", "1500"),
			must("addresses", `["203.0.113.10/27"]`),
			may("gateway", `"203.0.113.1"`),
			may("gateways", `["203.0.113.1", "2001:db8::1"]`),
			laterAttr("dhcp"),
		}, blocks: []blockSchema{
			{typ: "match", attrs: []attrSchema{must("mac", `"52:54:00:12:34:56"`)}},
		}},
		laterBlock("disk"), laterBlock("bond"), laterBlock("vlan"), laterBlock("route"),
		laterBlock("dns"), laterBlock("ntp"),
	},
}

var dispatcherSchema = blockSchema{
	typ: "dispatcher", labelled: true, required: true, many: true,
	attrs: []attrSchema{
		must("id", "1"),
		may("algorithm", `"hash-callid"`),
		laterAttr("next"),
	},
	blocks: []blockSchema{
		{typ: "probe", attrs: []attrSchema{
			may("interval", `"30s"`),
			may("timeout", `"4s"`),
			may("fail_threshold", "5"),
			may("recover_threshold", "5"),
			may("from", `"sip:trunkline@203.0.113.10"`),
			may("accept", `["2xx", "404"]`),
		}},
		{typ: "failover", attrs: []attrSchema{
			may("on", `["5xx", "6xx", "timeout"]`),
			may("never", `[486, 603]`),
		}},
		{typ: "destination", labelled: true, many: true, attrs: []attrSchema{
			must("uri", `"sip:10.0.0.11:5060"`),
			may("listener", `"core"`),
			may("max_calls", "20000"),
			may("max_cps", "600"),
			laterAttr("weight"), laterAttr("priority"), laterAttr("attrs"), laterAttr("state"),
		}},
	},
}
