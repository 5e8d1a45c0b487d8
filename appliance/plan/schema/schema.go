package schema

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"trunkline/appliance/plan"
)

//go:embed plan.schema.json
var planSchema []byte

// Plan returns the schema of a plan and of the plans of a fleet, indented, ending in
// a newline. The caller owns the bytes.
func Plan() []byte { return bytes.Clone(planSchema) }

// ID identifies the schema of this format version. It is a name, not an address.
func ID() string { return fmt.Sprintf("urn:trunkline:plan:%d", plan.FormatVersion) }

// Fleet is the plans of all appliances of one spec, as one document.
type Fleet struct {
	FormatVersion int          `json:"format_version"` // that of the plans
	Errored       bool         `json:"errored"`        // one of the plans is: see there
	Plans         []*plan.Plan `json:"plans"`          // in the order of the spec
}

// NewFleet makes the document of plans.
func NewFleet(plans []*plan.Plan) *Fleet {
	f := &Fleet{FormatVersion: plan.FormatVersion, Plans: plans}
	if plans == nil {
		f.Plans = []*plan.Plan{}
	}
	for _, p := range plans {
		f.Errored = f.Errored || p.Errored
	}
	return f
}

// WriteFleet writes f as JSON: indented, ending in a newline. Plans are rendered as
// they are written, a few at a time on all processors, so that the document of a
// large fleet need not fit into memory twice.
func WriteFleet(w io.Writer, f *Fleet) error {
	head := fmt.Sprintf("{\n  \"format_version\": %d,\n  \"errored\": %t,\n  \"plans\": [", f.FormatVersion, f.Errored)
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	several := make([]rendered, runtime.GOMAXPROCS(0))
	separator := ""
	for plans := range slices.Chunk(f.Plans, len(several)) {
		var done sync.WaitGroup
		for i, p := range plans {
			done.Go(func() { several[i].render(p) })
		}
		done.Wait()
		for i := range plans {
			if err := several[i].err; err != nil {
				return fmt.Errorf("encode the plans of a fleet: %w", err)
			}
			if _, err := io.WriteString(w, separator+"\n    "); err != nil {
				return err
			}
			if _, err := w.Write(bytes.TrimSuffix(several[i].text.Bytes(), []byte("\n"))); err != nil {
				return err
			}
			separator = ","
		}
	}
	tail := "\n  ]\n}\n"
	if len(f.Plans) == 0 {
		tail = "]\n}\n"
	}
	_, err := io.WriteString(w, tail)
	return err
}

// rendered is one plan as an element of the list.
type rendered struct {
	text bytes.Buffer
	err  error
}

func (r *rendered) render(p *plan.Plan) {
	r.text.Reset()
	enc := json.NewEncoder(&r.text)
	enc.SetEscapeHTML(false) // as plan.Encode
	enc.SetIndent("    ", "  ")
	r.err = enc.Encode(p)
}
