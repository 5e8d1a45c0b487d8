package spec

var listenerSchema = blockSchema{
	typ: "listener", labelled: true, required: true, many: true,
	attrs: []attrSchema{
		may("nic", `"wan"`),
		must("address", `"203.0.113.10"`),
		may("port", "5060"),
		may("transport", `"udp"`),
		may("advertise", `"sip.example.net:5060"`),
		must("sources", `["198.51.100.0/24"]`),
		may("workers", `"auto"`),
		may("steering", `"auto"`),
		may("share", "0.5"),
		may("tos", `"cs3"`),
	},
	blocks: []blockSchema{
		{typ: "tls", attrs: []attrSchema{ // with a transport that is not built: reported there
			must("certificate", `"edge-cert"`),
			must("key", `"edge-key"`),
			may("client_ca", `"carrier-ca"`),
			may("min_version", `"1.2"`),
		}},
		{typ: "connections", attrs: []attrSchema{
			may("max", "4096"),
			may("per_source", "64"),
			may("idle", `"2m"`),
			may("handshake", `"10s"`),
		}},
	},
}

var dispatcherSchema = blockSchema{
	typ: "dispatcher", labelled: true, required: true, many: true,
	attrs: []attrSchema{
		must("id", "1"),
		may("algorithm", `"hash-callid"`),
		may("next", `"overflow"`),
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
			may("weight", "50"),
			may("priority", "0"),
			may("state", `"active"`),
			may("attrs", `{ rack = "b4" }`),
			may("max_calls", "20000"),
			may("max_cps", "600"),
		}},
	},
}

var cacheSchema = blockSchema{
	typ: "cache", labelled: true, many: true,
	attrs: []attrSchema{
		must("source", `"file"`),
		may("file", `"carriers.csv"`),
		may("database", `"routing"`),
		may("query", `"select prefix, carrier from routes"`),
		may("refresh", `"5m"`),
		may("warmup", `"sync"`),
		may("on_fail", `"refuse"`),
		may("timeout", `"60s"`),
		may("rows", "100000"),
	},
}

var limitsSchema = blockSchema{
	typ: "limits",
	attrs: []attrSchema{
		may("cps", "1200"),
		may("burst", "1200"),
		may("concurrent_calls", "66000"),
		may("retry_after", `"5s"`),
		may("refuse_with", `"480 Too many calls"`),
		may("message_size", `"64KiB"`),
	},
	blocks: []blockSchema{
		{typ: "emergency", attrs: []attrSchema{
			may("numbers", `["112", "+49112"]`),
			may("resource_priority", `["esnet"]`),
			may("reserve", "10"),
		}},
		{typ: "listener", labelled: true, many: true, attrs: append([]attrSchema{
			may("message_size", `"16KiB"`),
		}, scopedAttrs...)},
		{typ: "source", labelled: true, many: true, attrs: append([]attrSchema{
			must("prefixes", `["198.51.100.0/24"]`),
			may("per_address", "true"),
		}, scopedAttrs...)},
		{typ: "carrier", labelled: true, many: true, attrs: append([]attrSchema{
			must("prefixes", `["198.51.100.0/24", "192.0.2.16/28"]`),
		}, scopedAttrs...)},
	},
}

var scopedAttrs = []attrSchema{
	may("cps", "300"),
	may("burst", "300"),
	may("concurrent_calls", "16000"),
	may("refuse_with", `"486 Busy Here"`),
}

var stateSchema = blockSchema{
	typ: "state",
	attrs: []attrSchema{
		may("memory", `"auto"`),
		may("high_water", "0.9"),
		may("hugepages", `"2MiB"`),
	},
	blocks: []blockSchema{
		{typ: "persistence", attrs: []attrSchema{
			must("to", `"disk"`),
			may("database", `"calls"`),
			may("mode", `"delayed"`),
			may("interval", `"10s"`),
		}},
	},
}

var sessionSchema = blockSchema{
	typ: "session",
	attrs: []attrSchema{
		may("min_se", `"90s"`),
		may("session_expires", `"30m"`),
		may("insert", "true"),
	},
}

var messagesSchema = blockSchema{
	typ: "messages",
	attrs: []attrSchema{
		may("remove_headers", `["User-Agent", "Server", "X-*"]`),
		may("codecs", `["PCMA", "PCMU", "telephone-event"]`),
		may("compact", "false"),
		may("udp_limit", `"auto"`),
		may("fallback", "true"),
		later(may("hide_topology", "false")),
	},
}
