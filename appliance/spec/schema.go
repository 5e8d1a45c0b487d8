package spec

// FormatVersion is the version of the spec language this code reads.
const FormatVersion = 1

// attrSchema is one attribute a block may hold.
type attrSchema struct {
	name     string
	example  string // a value as one would write it; shown when it is missing or of a wrong type
	required bool
	later    bool // decoded and checked, not run by this version: see Spec.NotBuilt
}

// blockSchema is one block type. Its labels are names: at most one in this language.
type blockSchema struct {
	typ      string
	labelled bool
	required bool // at least one
	many     bool // more than one
	later    bool // decoded and checked, not run by this version: see Spec.NotBuilt
	open     bool // attributes of any name
	attrs    []attrSchema
	blocks   []blockSchema
}

func must(name, example string) attrSchema {
	return attrSchema{name: name, example: example, required: true}
}
func may(name, example string) attrSchema { return attrSchema{name: name, example: example} }

// later marks a part of the language that this version cannot run yet.
func later(a attrSchema) attrSchema { a.later = true; return a }

// rootSchema is the whole language of this version.
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
			later(may("worker_wait", `"2ms"`)),
		}},
		listenerSchema,
		dispatcherSchema,
		{typ: "route", labelled: true, many: true, attrs: []attrSchema{
			may("from", `["carrier-a"]`),
			may("prefix", `"+49"`),
			may("to", `["core"]`),
			may("cache", `"carriers"`),
			may("carriers", `["telco-a"]`),
			may("pattern", `"00([1-9][0-9]*)"`),
			may("strip", "1"),
			may("add", `"+49"`),
			may("rewrite", `"+$1"`),
		}},
		cacheSchema,
		limitsSchema,
		{typ: "transaction", attrs: []attrSchema{
			may("reply_timeout", `"5s"`),
			may("invite_timeout", `"30s"`),
			may("wait", `"5s"`),
			may("call_lifetime", `"30m"`),
			may("drain_timeout", `"30s"`),
		}},
		stateSchema,
		{typ: "firewall", attrs: []attrSchema{
			may("enabled", "true"),
			may("source_rate", "2000"),
			may("source_burst", "4000"),
		}},
		variableSchema, {typ: "locals", many: true, open: true},
		sessionSchema, messagesSchema, mediaSchema, databaseSchema, socketsSchema,
		controlSchema, updateSchema, secretSchema,
		waiverSchema,
	},
}
