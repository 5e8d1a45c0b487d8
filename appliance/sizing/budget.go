package sizing

import "github.com/hashicorp/hcl/v2"

// Figure is one computed number that can be argued with: what it is, how it came
// about, from what, and who says so.
type Figure struct {
	ID      string  `json:"id"`   // stable, dotted: "shm.transactions"
	Name    string  `json:"name"` // for people
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`    // "B", "calls/s", "threads", "packets", "1"
	Formula string  `json:"formula"` // in terms of the inputs' names
	Inputs  []Input `json:"inputs,omitempty"`
}

// Input is one term of a Figure's formula: a value of the spec, another figure,
// or a coefficient (then Source says where it was measured).
type Input struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Source string  `json:"source,omitempty"`
}

// ListenerBudget is what one listener gets.
type ListenerBudget struct {
	Listener   string `json:"listener"`
	Workers    Figure `json:"workers"`
	RecvBuffer Figure `json:"recv_buffer"` // bytes per socket
	SendBuffer Figure `json:"send_buffer"` // bytes per socket
}

// Table is one table of the shared-memory budget.
type Table struct {
	Name        string `json:"name"` // "transactions", "messages", "calls", "caches", "listeners"
	Rows        Figure `json:"rows"`
	BytesPerRow Figure `json:"bytes_per_row"`
	Bytes       Figure `json:"bytes"`
}

// MemoryItem is one line of the host's memory map. The items, the last of which
// is "free", add up to the hardware's memory.
type MemoryItem struct {
	Name  string `json:"name"`
	Bytes Figure `json:"bytes"`
}

// Ceiling is the load at which one resource saturates.
type Ceiling struct {
	Resource string  `json:"resource"` // "worker CPU", "listener carrier-a socket", "call slots", ...
	Axis     string  `json:"axis"`     // "cps" or "concurrent"
	At       Figure  `json:"at"`
	Headroom float64 `json:"headroom"` // At / planned load on that axis
	Remedy   string  `json:"remedy"`   // the one change that raises it
}

// Severities of findings.
const (
	SeverityError   = "error" // the spec cannot be carried by the hardware; build refuses
	SeverityWarning = "warning"
	SeverityNote    = "note"
	SeverityWaived  = "waived" // accepted by a waiver of the spec: shown, not counted
)

// Finding is something the reader of a plan must know, with the line it is about.
type Finding struct {
	ID       string    `json:"id"`
	Severity string    `json:"severity"`
	Summary  string    `json:"summary"`
	Detail   string    `json:"detail"` // ends with what to do
	Subject  hcl.Range `json:"-"`
	At       string    `json:"at,omitempty"` // "file.hcl:12"

	Item   string `json:"item,omitempty"`   // name of the block it is about; a waiver's scope
	Source string `json:"source,omitempty"` // where the rule comes from, for findings of policies
	Waiver string `json:"waiver,omitempty"` // until when, and why, it is waived
}

// Budget is a sized appliance.
type Budget struct {
	OfferedCalls Figure           `json:"offered_calls"` // Little: cps x hold time
	CallsHeld    Figure           `json:"calls_held"`    // planned load on the concurrent axis: ringing calls count
	CoresNeeded  Figure           `json:"cores_needed"`
	TotalWorkers Figure           `json:"total_workers"`
	Listeners    []ListenerBudget `json:"listeners"` // order of the spec
	Transactions Figure           `json:"transactions"`
	MessageBytes Figure           `json:"message_bytes"`
	Calls        Figure           `json:"calls"`
	SHM          []Table          `json:"shm"`
	SHMTotal     Figure           `json:"shm_total"`
	Memory       []MemoryItem     `json:"memory"`
	ProcessLimit Figure           `json:"process_limit"` // Go soft memory limit, bytes
	OpenFiles    Figure           `json:"open_files"`    // descriptor limit of sbcd
	SourceRate   Figure           `json:"source_rate"`   // packets/s one source may send
	Sysctls      []Sysctl         `json:"sysctls"`       // sorted by key
	Ceilings     []Ceiling        `json:"ceilings"`      // lowest headroom first
	Findings     []Finding        `json:"findings"`      // errors first, then by line
}

// Sysctl is one kernel setting the plan computed.
type Sysctl struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Why   string `json:"why"`
}
