package sizing

import "github.com/hashicorp/hcl/v2"

// Figure is one computed number that can be argued with: what it is, how it came
// about, from what, and who says so.
//
// Low and High are there when a coefficient it depends on has a measured range:
// the figure with every coefficient at its better and at its worse end. A
// coefficient's ends are those of its range or its stated value, whichever lies
// further out: where the stated value leaves room beyond what was measured (as
// cpu_per_call does), it is one end, so Low <= Value <= High always holds.
type Figure struct {
	ID      string  `json:"id"`   // stable, dotted: "shm.transactions"
	Name    string  `json:"name"` // for people
	Value   float64 `json:"value"`
	Low     float64 `json:"low,omitempty"` // same as High: nothing it depends on has a range
	High    float64 `json:"high,omitempty"`
	Unit    string  `json:"unit"`    // "B", "calls/s", "threads", "packets", "1"
	Formula string  `json:"formula"` // in terms of the inputs' names
	Inputs  []Input `json:"inputs,omitempty"`
}

// Ranged reports whether Low and High say something.
func (f Figure) Ranged() bool { return f.Low != f.High }

// Input is one term of a Figure's formula: a value of the spec, another figure,
// or a coefficient (then Source says where it was measured).
type Input struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Source string  `json:"source,omitempty"`
}

// ListenerBudget is what one listener gets. Over UDP each worker has a socket;
// over TCP, TLS and WebSocket the buffers are those of one connection.
type ListenerBudget struct {
	Listener    string  `json:"listener"`
	Workers     Figure  `json:"workers"`
	Steered     bool    `json:"steered,omitempty"`     // datagrams are spread over the workers by call
	RecvBuffer  Figure  `json:"recv_buffer"`           // bytes per socket
	SendBuffer  Figure  `json:"send_buffer"`           // bytes per socket
	Connections *Figure `json:"connections,omitempty"` // at once; nil: over UDP
	Reconnect   *Figure `json:"reconnect,omitempty"`   // seconds the machine needs to shake hands with all of them; nil: without TLS
}

// SocketsBudget is what SIP sockets from a table get, all together unless said
// otherwise. Their traffic is not stated anywhere: buffers are at their floor.
type SocketsBudget struct {
	Sockets    Figure `json:"sockets"`     // slots set aside
	Workers    Figure `json:"workers"`     // of all dynamic sockets, beside those of the listeners
	RecvBuffer Figure `json:"recv_buffer"` // bytes per socket
	SendBuffer Figure `json:"send_buffer"` // bytes per socket
}

// EmergencyBudget is the room kept for emergency calls, beside the slots for all.
type EmergencyBudget struct {
	Calls        Figure `json:"calls"`         // slots
	Transactions Figure `json:"transactions"`  // slots
	MessageBytes Figure `json:"message_bytes"` // of their stored messages
}

// Table is one table of the shared-memory budget.
type Table struct {
	Name        string `json:"name"` // "transactions", "messages", "calls", "emergency", "caches", "listeners"
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

// CPU is what one hardware thread has to do. Workers and queues are dealt to the
// CPUs in turn, physical cores first; those beyond the last start over at the
// first. A machine of more than 1,024 threads shows, and uses for queues, the first
// 1,024.
type CPU struct {
	CPU int `json:"cpu"` // number as Linux counts: siblings of a core are cores apart
	// Workers the plan counts on this CPU: "carrier-a/0", listener and number of the
	// worker. sbcd does not pin them, the kernel places them: the map shows that there
	// is one for each hardware thread, not where each runs. Those of dynamic sockets
	// are "dynamic sockets/0".
	Workers []string `json:"workers"`
	Queues  []string `json:"queues"` // "wan/0": NIC and receive queue it takes interrupts of
	Steers  []string `json:"steers"` // NICs whose packets are steered here after the interrupt (RPS)
}

// NICBudget is what one card must carry and which CPUs serve it. What a VLAN
// carries counts on its parent; what a bond carries is spread evenly over its
// members (802.3ad) or counts on each of them (active-backup).
type NICBudget struct {
	NIC       string       `json:"nic"`
	Bandwidth Figure       `json:"bandwidth"` // bits/s in the busier direction, signalling and media
	Packets   Figure       `json:"packets"`   // received per second
	Sent      Figure       `json:"sent"`      // packets sent per second
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
	CPU       Figure          `json:"cpu"`       // cores the relays on this appliance take; 0: none here
	Instances []MediaInstance `json:"instances"` // order of the spec
}

// MediaInstance is one relay's part with any one of the others down.
type MediaInstance struct {
	Name     string `json:"name"`
	Sessions Figure `json:"sessions"` // it must hold
	Rate     Figure `json:"rate"`     // commands per second it must take
	Ports    Figure `json:"ports"`    // UDP ports it must have

	// Of an instance on the appliance: cores it takes, threads it runs, memory it takes with the sessions it
	// must hold, sessions it takes at most, and memory it may take then, at which the service
	// manager ends it; bytes.
	Cores       *Figure `json:"cores,omitempty"`
	Threads     *Figure `json:"threads,omitempty"`
	Memory      *Figure `json:"memory,omitempty"`
	Capacity    *Figure `json:"capacity,omitempty"`
	MemoryLimit *Figure `json:"memory_limit,omitempty"`
}

// PersistenceBudget is what keeping calls in progress asks of the disk or the
// database. None of it is on the path of a message.
type PersistenceBudget struct {
	Bytes  Figure `json:"bytes"`  // of all calls held
	Writes Figure `json:"writes"` // per second
	Rows   Figure `json:"rows"`   // calls changed in one write
}

// DatabaseBudget is the connections to one database server.
type DatabaseBudget struct {
	Database    string `json:"database"`
	Connections Figure `json:"connections"` // of all appliances that use it, while one of them restarts
	Limit       Figure `json:"limit"`       // max_connections, some of which are kept for administrators; 0: not stated, or a file
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
	Emergency    *EmergencyBudget `json:"emergency,omitempty"` // nil: no call goes first
	SHM          []Table          `json:"shm"`
	SHMTotal     Figure           `json:"shm_total"`
	Arena        Figure           `json:"arena"` // of these, what outlives the process: no part of its memory limit
	Memory       []MemoryItem     `json:"memory"`
	ProcessLimit Figure           `json:"process_limit"`    // Go soft memory limit, bytes
	OpenFiles    Figure           `json:"open_files"`       // descriptor limit of sbcd
	SourceRate   Figure           `json:"source_rate"`      // packets/s one source may send
	Sysctls      []Sysctl         `json:"sysctls"`          // sorted by key
	Kernel       []Sysctl         `json:"kernel,omitempty"` // parameters of its command line, in this order
	CPUs         []CPU            `json:"cpus"`             // hardware threads, in order: what runs on each
	NICs         []NICBudget      `json:"nics"`             // Ethernet interfaces, order of the spec
	Media        *MediaBudget     `json:"media,omitempty"`
	Databases    []DatabaseBudget `json:"databases,omitempty"` // order of the spec
	Sockets      *SocketsBudget   `json:"sockets,omitempty"`

	Persistence *PersistenceBudget `json:"persistence,omitempty"`

	// Terms are the figures that others are made of and that stand nowhere else: an
	// input without a source names one of them, or a figure above.
	Terms []Figure `json:"terms"`

	Ceilings []Ceiling `json:"ceilings"` // lowest headroom first
	Findings []Finding `json:"findings"` // errors first, then by line
}

// Sysctl is one kernel setting the plan computed: by sysctl(8), or on the command line.
type Sysctl struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Why   string `json:"why"`
}
