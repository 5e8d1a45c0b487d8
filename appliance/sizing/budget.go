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

// CPU is what one hardware thread has to do. Workers and queues beyond the first
// CPUs share them in turn. A machine of more threads than the map has room for
// shows those that have something to do.
type CPU struct {
	CPU     int      `json:"cpu"`     // number as Linux counts: siblings of a core are cores apart
	Workers []string `json:"workers"` // "carrier-a/0": listener and number of the worker
	Queues  []string `json:"queues"`  // "wan/0": NIC and receive queue it takes interrupts of
	Steers  []string `json:"steers"`  // NICs whose packets are steered here after the interrupt (RPS)
}

// NICBudget is what one interface must carry and which CPUs serve it.
type NICBudget struct {
	NIC       string       `json:"nic"`
	Bandwidth Figure       `json:"bandwidth"` // bits/s in the busier direction, signalling and media
	Packets   Figure       `json:"packets"`   // received per second
	Queues    Figure       `json:"queues"`    // receive queues in use
	Affinity  []QueueShare `json:"affinity"`  // one for each queue in use
}

// QueueShare says which CPU takes the interrupts of a receive queue, and to which
// its packets are steered (RPS, kernel: Documentation/networking/scaling.rst).
type QueueShare struct {
	Queue int   `json:"queue"`
	CPU   int   `json:"cpu"`
	RPS   []int `json:"rps,omitempty"` // empty: the packets stay on CPU
}

// MediaBudget is what the media relays must carry.
type MediaBudget struct {
	Sessions  Figure          `json:"sessions"`  // held at once
	Commands  Figure          `json:"commands"`  // offers, answers and deletes per second over all control sockets
	Sockets   Figure          `json:"sockets"`   // control sockets the planned rate needs
	Bandwidth Figure          `json:"bandwidth"` // bits/s received, all relays
	Packets   Figure          `json:"packets"`   // received per second, all relays
	Instances []MediaInstance `json:"instances"` // order of the spec
}

// MediaInstance is one relay's part with any one of the others down.
type MediaInstance struct {
	Name     string `json:"name"`
	Sessions Figure `json:"sessions"` // it must hold
	Rate     Figure `json:"rate"`     // commands per second it must take
	Ports    Figure `json:"ports"`    // UDP ports it must have
}

// DatabaseBudget is the connections to one database server.
type DatabaseBudget struct {
	Database    string `json:"database"`
	Connections Figure `json:"connections"` // of all appliances that use it
	Limit       Figure `json:"limit"`       // max_connections; 0: not stated
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
	CPUs         []CPU            `json:"cpus"`          // hardware threads, in order: what runs on each
	NICs         []NICBudget      `json:"nics"`          // Ethernet interfaces, order of the spec
	Media        *MediaBudget     `json:"media,omitempty"`
	Databases    []DatabaseBudget `json:"databases,omitempty"` // order of the spec
	Ceilings     []Ceiling        `json:"ceilings"`            // lowest headroom first
	Findings     []Finding        `json:"findings"`            // errors first, then by line
}

// Sysctl is one kernel setting the plan computed.
type Sysctl struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Why   string `json:"why"`
}
