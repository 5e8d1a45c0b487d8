package spec

var hardwareSchema = blockSchema{
	typ: "hardware", required: true,
	attrs: []attrSchema{
		must("platform", `"vm"`),
		must("memory", `"16GiB"`),
		may("dns", `["10.0.0.53"]`),
		may("ntp", `["10.0.0.123"]`),
		may("console", `["tty0", "ttyS1,115200"]`),
		may("mismatch", `"refuse"`),
	},
	blocks: []blockSchema{
		{typ: "cpu", required: true, attrs: []attrSchema{
			must("cores", "8"),
			may("threads_per_core", "2"),
			may("vendor", `"intel"`),
		}},
		{typ: "nic", labelled: true, required: true, many: true, attrs: append([]attrSchema{
			may("match", `{ mac = "52:54:00:12:34:56" }`),
			may("driver", `"ixgbe"`),
			may("speed", `"10Gbps"`),
			may("queues", "4"),
		}, interfaceAttrs...), blocks: []blockSchema{
			{typ: "match", attrs: []attrSchema{must("mac", `"52:54:00:12:34:56"`)}},
		}},
		{typ: "bond", labelled: true, many: true, attrs: append([]attrSchema{
			must("members", `["wan0", "wan1"]`),
			may("mode", `"802.3ad"`),
		}, interfaceAttrs...)},
		{typ: "vlan", labelled: true, many: true, attrs: append([]attrSchema{
			must("parent", `"wan"`),
			must("id", "100"),
		}, interfaceAttrs...)},
		{typ: "route", labelled: true, many: true, attrs: []attrSchema{
			must("destination", `"10.8.0.0/16"`),
			must("via", `"10.0.0.1"`),
			may("nic", `"core"`),
		}},
		{typ: "disk", labelled: true, many: true, attrs: []attrSchema{
			may("match", `{ path = "/dev/vda" }`),
			may("driver", `"nvme"`),
			may("size", `"8GiB"`),
		}, blocks: []blockSchema{
			{typ: "match", attrs: []attrSchema{must("path", `"/dev/vda"`)}},
		}},
	},
}

// interfaceAttrs are those of every kind of interface.
var interfaceAttrs = []attrSchema{
	may("addresses", `["203.0.113.10/27"]`),
	may("gateway", `"203.0.113.1"`),
	may("gateways", `["203.0.113.1", "2001:db8::1"]`),
	may("mtu", "1500"),
	may("management", "false"),
}
