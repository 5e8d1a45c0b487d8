package spec

// description is what the schema does not need for reading a spec, and people
// do. Tests hold bounds, defaults and choices to what the decoder does.
type description struct {
	text    string
	kind    Kind
	def     string
	without string
	low     string
	high    string
	choices []string
	rule    string
}

// descriptions are by path: the types of the blocks, then the attribute. What
// is in the schema and not here fails a test.
var descriptions = map[string]description{
	"format_version": {text: "Version of the language the spec is written in, in one file of the spec.", kind: KindWhole, low: "1", high: "1"},

	"appliance":           {text: "The machine this spec is for. Its name becomes the host name and the name of the outputs: 1 to 63 lower-case letters, digits and hyphens. Several of these blocks make a fleet: the directory is evaluated for each."},
	"appliance.variables": {text: "Values of variables for this appliance: what makes it different from the others of a fleet.", kind: KindObject, without: "no values of its own", rule: "each names a variable block"},
	"appliance.site":      {text: "Where the machine stands. For people and for metrics.", kind: KindText, without: "no site"},

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

	"workload":                  {text: "What the appliance must carry, on two axes: new calls per second take CPU, calls in progress take memory."},
	"workload.cps":              {text: "New calls per second at the peak.", kind: KindWhole, low: "1"},
	"workload.concurrent_calls": {text: "Calls in progress at the peak.", kind: KindWhole, low: "1"},
	"workload.call_duration":    {text: "Mean duration of a call, from answer to BYE.", kind: KindDuration, low: `"1s"`, high: `"24h"`, rule: "below call_lifetime of the transaction block"},
	"workload.ring_time":        {text: "Mean time from INVITE to its final reply.", kind: KindDuration, def: `"8s"`, low: `"0s"`, high: `"1h"`, rule: "below invite_timeout of the transaction block"},

	"listener":           {text: "A SIP socket: one address and port, with workers of its own."},
	"listener.nic":       {text: "The NIC that has the address.", kind: KindText, without: "found by the address"},
	"listener.address":   {text: "Address to listen on, of a NIC or of the loopback.", kind: KindText, rule: "one listener per address, port and transport; never 0.0.0.0 or ::"},
	"listener.port":      {text: "Port to listen on.", kind: KindWhole, def: "5060", low: "1", high: "65535"},
	"listener.transport": {text: "Transport.", kind: KindText, def: `"udp"`, choices: []string{"udp"}},
	"listener.advertise": {text: "Host, with or without a port, that Via and Record-Route name instead of address and port: for an appliance behind address translation.", kind: KindText, without: "address and port"},
	"listener.sources":   {text: "Who may send to this listener: addresses and prefixes. Firewall and proxy both enforce it.", kind: KindTexts, rule: "no host bits, no overlaps, at least one of the address's family"},
	"listener.workers":   {text: "Workers of this socket.", kind: KindWholeAuto, def: `"auto"`, low: "1", high: "1024"},
	"listener.share":     {text: "Part of the offered calls that arrives here.", kind: KindRatio, without: "an equal part of what the others leave", rule: "the shares of all listeners add up to 1"},

	"dispatcher":                         {text: "A set of destinations that take calls for each other."},
	"dispatcher.id":                      {text: "Number of the set, in status and metrics.", kind: KindWhole, low: "1", rule: "each set has its own"},
	"dispatcher.algorithm":               {text: "How a destination is chosen: hash-callid keeps all messages of a Call-ID on one, round-robin takes them in turns.", kind: KindText, def: `"hash-callid"`, choices: algorithms},
	"dispatcher.probe":                   {text: "Probing of the destinations by OPTIONS. Without this block they are taken to be up."},
	"dispatcher.probe.interval":          {text: "Time between two probes of one destination.", kind: KindDuration, def: `"30s"`, low: `"1s"`, high: `"1h"`},
	"dispatcher.probe.timeout":           {text: "Time after which a probe is lost.", kind: KindDuration, def: `"4s"`, low: `"100ms"`, high: `"1m"`, rule: "below interval"},
	"dispatcher.probe.fail_threshold":    {text: "Probes lost in a row until a destination is inactive.", kind: KindWhole, def: "5", low: "1", high: "1000"},
	"dispatcher.probe.recover_threshold": {text: "Probes answered in a row until it is active again.", kind: KindWhole, def: "5", low: "1", high: "1000"},
	"dispatcher.probe.from":              {text: "From of the probes, sip:USER@HOST or sip:HOST.", kind: KindText, without: "the listener the probes leave from"},
	"dispatcher.probe.accept":            {text: "Replies that count as answered: classes (\"2xx\") and codes.", kind: KindCodes, def: `["2xx"]`, rule: "final replies, 2xx to 6xx"},
	"dispatcher.failover":                {text: "What moves a new call to the next destination of the set."},
	"dispatcher.failover.on":             {text: "Replies that do: classes, codes, and \"timeout\" for no answer at all.", kind: KindCodes, def: `["5xx", "6xx", "timeout"]`, rule: "3xx to 6xx or \"timeout\""},
	"dispatcher.failover.never":          {text: "Codes that never do, whatever on says: answers of the person called.", kind: KindCodes, def: "[486, 603]"},
	"dispatcher.destination":             {text: "One member of the set; a set without any is refused."},
	"dispatcher.destination.uri":         {text: "Where packets go: sip:ADDRESS[:PORT], an address, not a name.", kind: KindText, rule: "no user part; not a listener of this appliance; each destination once"},
	"dispatcher.destination.listener":    {text: "The listener that talks to it.", kind: KindText, without: "chosen by subnet, else the first of its family"},
	"dispatcher.destination.max_calls":   {text: "Calls in progress the destination is known to take. The plan checks that the set carries the workload with one destination down.", kind: KindWhole, without: "not stated, and not checked", low: "1"},
	"dispatcher.destination.max_cps":     {text: "New calls per second it is known to take.", kind: KindWhole, without: "not stated, and not checked", low: "1"},

	"route":        {text: "Where new calls go. Routes are tried in source order (files by name); the first that matches decides. With one dispatcher set and no route, all calls go there."},
	"route.from":   {text: "Listeners a call must come in by.", kind: KindTexts, without: "any listener"},
	"route.prefix": {text: "What the number called must begin with.", kind: KindText, without: "any number"},
	"route.to":     {text: "Dispatcher sets to try, in this order.", kind: KindTexts, rule: "either this or cache", without: "cache decides"},
	"route.cache":  {text: "A cache that gives the dispatcher set for the longest prefix of the number called. A number it does not know goes on to the next route.", kind: KindText, rule: "either this or to", without: "to decides"},

	"cache":         {text: "A table of prefixes and dispatcher sets, loaded when the appliance starts. Two fields in each row, no header; lines beginning with # are comments."},
	"cache.source":  {text: "Where the rows come from.", kind: KindText, choices: []string{"file"}},
	"cache.file":    {text: "A CSV file: beside the spec, then it is baked into the image; or an absolute path on the appliance.", kind: KindText},
	"cache.warmup":  {text: "sync: no listener opens before the table is loaded. background: it is loaded afterwards.", kind: KindText, def: `"sync"`, choices: []string{"sync", "background"}},
	"cache.on_fail": {text: "What becomes of a start on which the table cannot be loaded. refuse: the appliance does not start.", kind: KindText, def: `"refuse"`, choices: []string{"refuse"}},
	"cache.timeout": {text: "Bound on loading.", kind: KindDuration, def: `"60s"`, low: `"100ms"`, high: `"1h"`},
	"cache.rows":    {text: "Rows to make room for.", kind: KindWhole, without: "counted", low: "1", rule: "needed for a file on the appliance; not for one beside the spec"},

	"limits":                  {text: "Beyond these, new calls get 503 with Retry-After. Calls in progress go on."},
	"limits.cps":              {text: "New calls per second.", kind: KindWhole, without: "not limited", low: "1"},
	"limits.burst":            {text: "New calls let through at once.", kind: KindWhole, without: "as cps", low: "1", rule: "needs cps"},
	"limits.concurrent_calls": {text: "Calls in progress, ringing ones included.", kind: KindWhole, without: "not limited", low: "1"},
	"limits.retry_after":      {text: "What Retry-After says.", kind: KindDuration, def: `"5s"`, low: `"1s"`, high: `"1h"`, rule: "whole seconds (RFC 3261 section 20.33)"},
	"limits.message_size":     {text: "Largest SIP message taken.", kind: KindSize, def: `"64KiB"`, low: `"1500B"`, high: `"64KiB"`},

	"transaction":                {text: "Timers."},
	"transaction.reply_timeout":  {text: "Silence of a destination after which the next is tried.", kind: KindDuration, def: `"5s"`, low: `"500ms"`, high: `"32s"`, rule: "below invite_timeout"},
	"transaction.invite_timeout": {text: "Time after which an INVITE without a final reply is given up. Every second of it is memory.", kind: KindDuration, def: `"30s"`, low: `"1s"`, high: `"10m"`, rule: "above ring_time of the workload"},
	"transaction.wait":           {text: "How long a finished transaction still absorbs retransmissions.", kind: KindDuration, def: `"5s"`, low: `"500ms"`, high: `"32s"`},
	"transaction.call_lifetime":  {text: "Age at which a call is no longer counted: its BYE is taken to be lost.", kind: KindDuration, def: `"30m"`, low: `"1m"`, high: `"24h"`, rule: "above call_duration of the workload"},

	"state":            {text: "Memory for calls in progress."},
	"state.memory":     {text: "How much is set aside; auto: what the workload needs at its worst.", kind: KindSizeAuto, def: `"auto"`, low: `"1MiB"`, high: `"16TiB"`, rule: "below the memory of the hardware"},
	"state.high_water": {text: "Part of it from which on new calls get 503.", kind: KindRatio, def: "0.9"},

	"firewall":              {text: "The ruleset computed from listeners and sources."},
	"firewall.enabled":      {text: "Whether it is loaded.", kind: KindBoolean, def: "true"},
	"firewall.source_rate":  {text: "Packets per second taken from one source; auto: from the workload.", kind: KindWholeAuto, def: `"auto"`, low: "1"},
	"firewall.source_burst": {text: "Packets taken from one source at once; auto: from the workload.", kind: KindWholeAuto, def: `"auto"`, low: "1"},

	"waiver":         {text: "Accepts one finding of the plan for a while. Its name is the id of the finding. The plan goes on showing it, with the reason; after the last day it counts again."},
	"waiver.reason":  {text: "Why the finding is accepted, and by whom.", kind: KindText},
	"waiver.expires": {text: "Last day on which it is, as year-month-day.", kind: KindText},
	"waiver.scope":   {text: "The item the finding is about, such as a listener.", kind: KindText, without: "all of them"},

	"variable":                          {text: "A value given from outside, var.NAME in expressions: by -var NAME=VALUE or -var-file FILE (of several the last), the variables of the appliance, TRUNKLINE_VAR_NAME in the environment, or its default; the first of these that is there counts."},
	"variable.type":                     {text: "What values it takes: string, number, bool, any, list(TYPE), set(TYPE), map(TYPE), tuple([TYPE, ...]), object({NAME = TYPE, ...}), optional(TYPE, DEFAULT) within an object.", kind: KindExpression, def: "any"},
	"variable.default":                  {text: "Its value where none is given.", kind: KindAny, without: "a value must be given", rule: "of the type"},
	"variable.description":              {text: "What it is for.", kind: KindText, without: "none"},
	"variable.validation":               {text: "A rule its value must keep."},
	"variable.validation.condition":     {text: "True for a good value.", kind: KindExpression, rule: "looks at the variable itself"},
	"variable.validation.error_message": {text: "What is said of any other: what is wrong, and what to write instead.", kind: KindText},

	"locals": {text: "Values by name, local.NAME in expressions. They may refer to variables and to each other, in any order but not in a circle."},

	"dynamic":          {text: "Blocks made from a list or map: as many of the type its name says as for_each has elements. For any block but variable, locals and waiver."},
	"dynamic.for_each": {text: "A list, set or map. Each block sees its element as NAME.key and NAME.value; NAME is the type of the block, or what iterator says.", kind: KindExpression},
	"dynamic.iterator": {text: "Another name for the element.", kind: KindExpression, without: "the type of the block", rule: "a name, without quotes"},
	"dynamic.labels":   {text: "Names of the blocks: a list of one text.", kind: KindTexts, without: "none", rule: "needed for blocks that have a name"},
	"dynamic.content":  {text: "What is in each block."},
}
