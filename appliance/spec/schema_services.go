package spec

var mediaSchema = blockSchema{
	typ: "media",
	attrs: []attrSchema{
		may("timeout", `"500ms"`),
		may("on_fail", `"next"`),
		may("ptime", `"20ms"`),
		may("bitrate", `"64kbps"`),
	},
	blocks: []blockSchema{
		{typ: "instance", labelled: true, required: true, many: true, attrs: []attrSchema{
			may("control", `["10.0.0.31:2223"]`),
			may("addresses", `["203.0.113.12"]`), // of an instance on the appliance
			may("ports", `"30000-59999"`),
			may("max_sessions", "20000"),
			may("max_cps", "300"),
			may("weight", "1"),
		}},
	},
}

var databaseSchema = blockSchema{
	typ: "database", labelled: true, many: true,
	attrs: []attrSchema{
		must("engine", `"postgres"`),
		may("address", `"10.0.0.21:5432"`),
		may("database", `"routing"`),
		may("user", `"trunkline"`),
		may("password", `"routing-password"`),
		may("tls", `"require"`),
		may("ca", `"database-ca"`),
		may("file", `"/var/lib/trunkline/routing.db"`),
		may("pool", "2"),
		may("max_connections", "100"),
		may("appliances", "4"),
	},
}

var socketsSchema = blockSchema{
	typ: "sockets", later: true,
	attrs: []attrSchema{
		must("database", `"panel"`),
		may("table", `"sockets"`),
		may("columns", `{ socket = "socket", advertised = "advertised", tag = "tag", flags = "flags", tos = "tos" }`),
		may("nics", `["wan"]`),
		must("sources", `["198.51.100.0/24"]`),
		may("workers", "8"),
		may("max_sockets", "100"),
	},
}

var controlSchema = blockSchema{
	typ: "control",
	attrs: []attrSchema{
		later(may("address", `"10.0.9.10:8443"`)),
		may("sources", `["10.0.9.0/24"]`),
		may("certificate", `"edge-cert"`),
		may("key", `"edge-key"`),
		may("client_ca", `"operators-ca"`),
		later(may("console", "true")),
		later(may("log_level", `"info"`)),
	},
	blocks: []blockSchema{
		{typ: "metrics", later: true, attrs: []attrSchema{
			must("address", `"10.0.9.10:9090"`),
			must("sources", `["10.0.9.0/24"]`),
		}},
		{typ: "hep", later: true, attrs: []attrSchema{
			must("address", `"10.0.9.60:9060"`),
			may("capture_id", "2001"),
		}},
		{typ: "cdr", attrs: []attrSchema{
			may("to", `"journal"`),
			may("database", `"calls"`),
		}},
	},
}

var updateSchema = blockSchema{
	typ: "update",
	attrs: []attrSchema{
		must("url", `"https://updates.example.net/edge/"`),
		must("signer", `"update-signer.pem"`),
		may("ca", `"update-ca.pem"`),
		may("interval", `"1h"`),
		may("reboot", `"window"`),
		may("window", `"02:00-04:00"`),
		may("tries", "3"),
	},
}

var secretSchema = blockSchema{
	typ: "secret", labelled: true, many: true,
	attrs: []attrSchema{
		must("from", `"credential"`),
		may("credential", `"edge-fra1.trunk"`),
	},
}
