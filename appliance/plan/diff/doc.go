// Package diff says what a change of a spec does to an appliance: it compares two
// plans and sorts what differs by what the reader must decide.
//
// Compare is a pure function; the same two plans give the same Diff, in the same
// order, whatever the plans were made from. Objects (listeners, dispatcher sets,
// destinations, routes, caches, interfaces) are matched by name, so a renamed one
// shows as removed and added, which is what it is on the appliance. The order of
// routes and destinations counts; that of everything else does not.
//
// Every change carries an impact: the least that could bring it into a running
// appliance. The table in rules.go decides it, field by field, and README.md
// beside it is that table for readers. What today's appliance does is said apart
// (Today): its configuration is part of the image and read at start alone, so
// whatever changes a file is a new image and a reboot.
//
// Who can reach what is arithmetic over sets of addresses, not over the lines of a
// spec: 10.0.0.0/8 split into its two halves changes nothing, and a listener that
// moves to another socket takes the way from everyone to the old one.
//
// The JSON is the type Diff, for several appliances Fleet, as encoding/json writes it. Within a format_version
// fields are added, never changed or removed. Addresses, digests and durations
// are text; before and after hold the value as it stands in appliance.json, null
// where there was none.
package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// FormatVersion is the version of the JSON.
const FormatVersion = 1

// Diff is all that differs between two plans.
type Diff struct {
	FormatVersion int  `json:"format_version"`
	Before        Side `json:"before"`
	After         Side `json:"after"`

	// Changed: something on the appliance differs. A spec whose comments alone
	// differ has another digest and changes nothing.
	Changed bool `json:"changed"`
	// Impact is the highest of all changes: what would be enough.
	Impact Impact `json:"impact"`
	// Today is what today's appliance needs to take the changes up.
	Today Impact `json:"today"`
	// Calls is how many calls there are at any moment at the planned load before
	// the change: what a restart or a reboot meets.
	Calls CallsAtRisk `json:"calls"`

	Changes  []Change        `json:"changes"` // by group in the order of Groups, removals first
	Reach    []Reach         `json:"reach"`
	Ceilings []CeilingChange `json:"ceilings"`
	Findings Findings        `json:"findings"`
	Files    []FileChange    `json:"files"` // sorted by path
}

// Side is one of the two plans.
type Side struct {
	Label      string `json:"label"` // as the reader named it
	Appliance  string `json:"appliance"`
	SpecDigest string `json:"spec_digest"`
	Trunkline  string `json:"trunkline"`
	Errored    bool   `json:"errored"`
	Verdict    string `json:"verdict"`
}

// CallsAtRisk are calls at the planned load.
type CallsAtRisk struct {
	SettingUp float64 `json:"setting_up"` // not answered yet: lost by a restart or a reboot
	Answered  float64 `json:"answered"`   // go on; their next request is answered once sbcd is ready again
}

// Actions.
const (
	Add    = "add"
	Remove = "remove"
	Modify = "change"
)

// Group is a decision the reader has to take.
type Group string

// Groups, in the order they are shown.
const (
	Removals  Group = "removals"  // what is there no more, and protection that ends
	Sizing    Group = "sizing"    // workers, memory, slots, buffers
	Machine   Group = "machine"   // hardware, interfaces, names
	Listeners Group = "listeners" // sockets and the firewall
	Calls     Group = "calls"     // dispatchers, routes, caches, limits, timers
)

// Groups lists all groups in the order they are shown.
var Groups = []Group{Removals, Sizing, Machine, Listeners, Calls}

// Change is one value or object that differs.
type Change struct {
	Group   Group  `json:"group"`
	Action  string `json:"action"`
	Path    string `json:"path"`              // key of the impact table: "listeners[].workers"
	Object  string `json:"object,omitempty"`  // `dispatcher "core" destination "fs1"`; empty: the appliance as a whole
	Field   string `json:"field,omitempty"`   // "workers"; empty: the object itself came or went
	Summary string `json:"summary,omitempty"` // of an object that came or went
	Unit    string `json:"unit,omitempty"`    // "B", "calls/s"; empty: a plain value
	Before  any    `json:"before"`
	After   any    `json:"after"`
	Impact  Impact `json:"impact"`
	How     string `json:"how,omitempty"` // what taking it up means
}

// Reach is who gained or lost the way to one socket. Prefixes are the fewest that
// describe the difference.
type Reach struct {
	Socket   string   `json:"socket"`   // "udp 203.0.113.10:5060"
	Listener string   `json:"listener"` // its name; after the change, where it still has one
	Gained   []string `json:"gained"`   // prefixes that can reach it now and could not before
	Lost     []string `json:"lost"`
	Impact   Impact   `json:"impact"`
}

// CeilingChange is a ceiling that moved. At is 0 and Headroom too on the side
// that has no such ceiling.
type CeilingChange struct {
	Resource       string  `json:"resource"`
	Axis           string  `json:"axis"`
	Before         float64 `json:"before"`
	After          float64 `json:"after"`
	HeadroomBefore float64 `json:"headroom_before"`
	HeadroomAfter  float64 `json:"headroom_after"`
}

// Findings are the findings of the plans that are not in both.
type Findings struct {
	New      []Finding `json:"new"`
	Resolved []Finding `json:"resolved"`
}

// Finding is one of them.
type Finding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	At       string `json:"at,omitempty"`
}

// FileChange is a file of the config layer that differs.
type FileChange struct {
	Path   string `json:"path"`
	Action string `json:"action"`
	Before string `json:"before,omitempty"` // SHA-256, hex
	After  string `json:"after,omitempty"`
	Size   int    `json:"size"` // after; before for a removed one
	// DigestOnly: all that differs is the spec digest the file names.
	DigestOnly bool   `json:"digest_only,omitempty"`
	Impact     Impact `json:"impact"`
	How        string `json:"how,omitempty"`
	// Lines is a unified diff of the text, where both texts are known.
	Lines string `json:"lines,omitempty"`
}

// Encode renders d as JSON: indented, ending in a newline.
func Encode(d *Diff) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return nil, fmt.Errorf("encode diff: %w", err)
	}
	return buf.Bytes(), nil
}
