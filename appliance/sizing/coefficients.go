package sizing

import (
	_ "embed"
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Coefficient is one number of the model that the spec does not state.
type Coefficient struct {
	Name   string
	Value  float64
	Unit   string
	Range  []float64 // lowest and highest measured; nil: not a measured figure
	Source string    // who measured or argued it, and how
	Date   string
}

// Coefficients is a complete set: every name of the model has a value.
type Coefficients struct {
	values map[string]Coefficient
}

//go:embed coefficients.hcl
var embedded []byte

// bound is what a value must satisfy beside being finite.
type bound int

const (
	positive bound = iota // above zero
	share                 // above zero, at most one
	factor                // at least one
	natural               // zero or more
)

// direction says which end of a coefficient's range is the better one.
type direction int

const (
	less direction = iota // a cost
	more                  // a capacity
)

// known lists the names of the model. The unit is part of the contract: a file
// that states another one is talking about something else.
var known = map[string]struct {
	unit   string
	bound  bound
	better direction
}{
	"cpu_per_call":               {"s", positive, less},
	"target_utilisation":         {"1", share, more},
	"smt_yield":                  {"1", share, more},
	"requests_in_per_call":       {"datagrams", positive, less},
	"replies_in_per_call":        {"datagrams", positive, less},
	"replies_out_per_call":       {"datagrams", positive, less},
	"datagram_bytes":             {"B", positive, less},
	"datagram_overhead":          {"B", natural, less},
	"transaction_slot_bytes":     {"B", positive, less},
	"message_bytes_stored":       {"B", positive, less},
	"call_slot_bytes":            {"B", positive, less},
	"fork_bytes":                 {"B", positive, less},
	"fork_reply_bytes":           {"B", positive, less},
	"fork_call_bytes":            {"B", positive, less},
	"dialog_bytes":               {"B", positive, less},
	"shard_bytes":                {"B", positive, less},
	"limited_address_bytes":      {"B", positive, less},
	"record_bytes":               {"B", positive, less},
	"call_origin_bytes":          {"B", positive, less},
	"cache_row_bytes":            {"B", positive, less},
	"worker_bytes":               {"B", positive, less},
	"worker_batch":               {"datagrams", natural, less},
	"state_headroom":             {"1", factor, less},
	"kernel_bytes":               {"B", positive, less},
	"kernel_share":               {"1", share, less},
	"root_image_bytes":           {"B", positive, less},
	"process_bytes":              {"B", positive, less},
	"gc_slack":                   {"1", natural, less},
	"page_cache_bytes":           {"B", natural, less},
	"stall":                      {"s", positive, less},
	"send_stall":                 {"s", positive, less},
	"datagram_truesize":          {"B", positive, less},
	"recv_buffer_floor":          {"B", positive, less},
	"send_buffer_floor":          {"B", positive, less},
	"socket_packets":             {"packets/s", positive, more},
	"nic_packets_per_queue":      {"packets/s", positive, more},
	"nic_utilisation":            {"1", share, more},
	"source_rate_factor":         {"1", factor, less},
	"refresh_requests_in":        {"datagrams", natural, less},
	"refresh_replies_in":         {"datagrams", natural, less},
	"refresh_replies_out":        {"datagrams", natural, less},
	"media_commands_per_call":    {"commands", positive, less},
	"media_commands_per_refresh": {"commands", natural, less},
	"media_socket_commands":      {"commands/s", positive, more},
	"media_packet_cpu":           {"s", positive, less},
	"media_command_cpu":          {"s", positive, less},
	"media_session_bytes":        {"B", positive, less},
	"media_process_bytes":        {"B", positive, less},
	"media_image_bytes":          {"B", positive, less},
	"media_row_bytes":            {"B", positive, less},
	"media_delete_bytes":         {"B", positive, less},
	"tls_handshake_cpu":          {"s", positive, less},
	"tls_handshakes_per_call":    {"1", natural, less},
	"tls_message_cpu":            {"s", natural, less},
	"connection_kernel_bytes":    {"B", positive, less},
	"tcp_connection_bytes":       {"B", positive, less},
	"tls_connection_bytes":       {"B", positive, less},
	"database_connection_bytes":  {"B", positive, less},
	"persisted_call_bytes":       {"B", positive, less},
	"persisted_changes_per_call": {"changes", positive, less},
}

var defaults = sync.OnceValue(func() *Coefficients {
	c := &Coefficients{values: map[string]Coefficient{}}
	if diags := c.read(embedded, "coefficients.hcl"); diags.HasErrors() {
		panic("sizing: embedded coefficients: " + diags.Error())
	}
	for name := range known {
		if _, ok := c.values[name]; !ok {
			panic("sizing: embedded coefficients lack " + name)
		}
	}
	return c
})

// DefaultCoefficients returns the set that ships with this version.
func DefaultCoefficients() *Coefficients { return defaults() }

// ParseCoefficients reads a coefficients file. Names the file leaves out keep
// their default. Mistakes are diagnostics with ranges in filename.
func ParseCoefficients(src []byte, filename string) (*Coefficients, hcl.Diagnostics) {
	c := &Coefficients{values: map[string]Coefficient{}}
	for name, v := range defaults().values {
		c.values[name] = v
	}
	if diags := c.read(src, filename); diags.HasErrors() {
		return nil, diags
	}
	return c, nil
}

// Names returns the names of the model, sorted.
func (c *Coefficients) Names() []string {
	names := make([]string, 0, len(c.values))
	for name := range c.values {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Get returns the coefficient called name.
func (c *Coefficients) Get(name string) (Coefficient, bool) {
	v, ok := c.values[name]
	return v, ok
}

func (c *Coefficients) read(src []byte, filename string) hcl.Diagnostics {
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		return diags
	}
	content, more := file.Body.Content(&hcl.BodySchema{
		Blocks: []hcl.BlockHeaderSchema{{Type: "coefficient", LabelNames: []string{"name"}}},
	})
	diags = append(diags, more...)
	seen := map[string]bool{}
	for _, b := range content.Blocks {
		name := b.Labels[0]
		def, ok := known[name]
		if !ok {
			diags = append(diags, problem(b.LabelRanges[0], "Unknown coefficient",
				fmt.Sprintf("The sizing model has no coefficient %q. It has: %s.", name, strings.Join(defaultNames(), ", "))))
			continue
		}
		if seen[name] {
			diags = append(diags, problem(b.DefRange, "Duplicate coefficient",
				fmt.Sprintf("Coefficient %q is given twice in this file. Remove one.", name)))
			continue
		}
		seen[name] = true
		var body struct {
			Value  float64   `hcl:"value"`
			Unit   string    `hcl:"unit"`
			Range  []float64 `hcl:"range,optional"`
			Source string    `hcl:"source"`
			Date   string    `hcl:"date"`
		}
		more := gohcl.DecodeBody(b.Body, nil, &body)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		if body.Unit != def.unit {
			diags = append(diags, problem(b.DefRange, "Wrong unit",
				fmt.Sprintf("Coefficient %q is in %q, not in %q: convert the value.", name, def.unit, body.Unit)))
		}
		if why := def.bound.refuses(body.Value); why != "" {
			diags = append(diags, problem(b.DefRange, "Impossible value",
				fmt.Sprintf("Coefficient %q is %v, but it %s.", name, body.Value, why)))
		}
		if why := def.bound.refusesRange(body.Range); why != "" {
			diags = append(diags, problem(b.DefRange, "Wrong range", fmt.Sprintf("The range of coefficient %q %s.", name, why)))
		}
		if strings.TrimSpace(body.Source) == "" {
			diags = append(diags, problem(b.DefRange, "No source",
				fmt.Sprintf("Coefficient %q says nothing about where it was measured: fill in source.", name)))
		}
		c.values[name] = Coefficient{Name: name, Value: body.Value, Unit: body.Unit, Range: body.Range, Source: body.Source, Date: body.Date}
	}
	return diags
}

// refuses returns what is wrong with v, or nothing.
func (b bound) refuses(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "must be a finite number"
	case b == positive && v <= 0:
		return "must be above zero"
	case b == share && (v <= 0 || v > 1):
		return "must be above zero and at most one"
	case b == factor && v < 1:
		return "must be one or more"
	case b == natural && v < 0:
		return "must not be negative"
	}
	return ""
}

// refusesRange returns what is wrong with a range, or nothing.
func (b bound) refusesRange(r []float64) string {
	switch {
	case len(r) == 0:
		return ""
	case len(r) != 2:
		return "is two numbers, the lowest and the highest measured: [1, 2]"
	case !(0 <= r[0] && r[0] <= r[1] && !math.IsInf(r[1], 0)):
		return "goes from the lowest to the highest measured, neither below zero"
	}
	for _, v := range r {
		if why := b.refuses(v); why != "" {
			return fmt.Sprintf("has %v in it, but each end %s", v, why)
		}
	}
	return ""
}

func defaultNames() []string {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func problem(at hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at}
}

// at returns the value of a name of the model; every set is complete.
func (c *Coefficients) at(name string) float64 { return c.values[name].Value }

// in returns the coefficient as an input of a figure.
func (c *Coefficients) in(name string) Input {
	v := c.values[name]
	src := v.Source
	if len(v.Range) == 2 {
		src = fmt.Sprintf("%v to %v %s %s", v.Range[0], v.Range[1], v.Unit, src)
	}
	if v.Date != "" {
		src += " (" + v.Date + ")"
	}
	return Input{Name: name, Value: v.Value, Unit: v.Unit, Source: src}
}
