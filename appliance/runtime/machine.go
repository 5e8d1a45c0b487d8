package runtime

// What is done on a machine that is less than the plan's.
const (
	MismatchRefuse = "refuse" // the proxy does not start
	MismatchResize = "resize" // it starts with fewer workers and less state
	MismatchWarn   = "warn"   // it starts as planned
)

// Disk is one of the machine.
type Disk struct {
	Name   string `json:"name"`             // of the spec
	Path   string `json:"path,omitempty"`   // of the device; empty: any
	Size   uint64 `json:"size,omitempty"`   // at least, bytes; 0: any
	Driver string `json:"driver,omitempty"` // of its controller, as the kernel calls it; empty: any
}

// Resize is what the plan went by and a smaller machine needs to be planned for anew:
// the rules themselves are proxy/preflight's.
type Resize struct {
	// Datagrams are received by each listener for a call, in their order: workers are
	// shared out by them. 0: the listener keeps its workers.
	Datagrams []float64 `json:"datagrams"`
	// Other is memory that depends neither on the machine nor on workers and state, bytes;
	// KernelShare is the kernel's part of all memory; Slack is memory beside each byte of
	// state.
	Other       uint64  `json:"other"`
	KernelShare float64 `json:"kernel_share"`
	Slack       float64 `json:"slack"`
}
