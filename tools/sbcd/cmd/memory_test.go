package cmd

import (
	"strings"
	"testing"
)

// The figures are the kernel's: there are some, and they fit together.
func TestMachineMemory(t *testing.T) {
	m := machineMemory()
	if m == nil || m.Used == 0 || m.Used >= m.Total {
		t.Fatalf("%+v", m)
	}
	if got := (&Memory{Total: 1 << 30, Used: 200<<20 + 1}).String(); got != "201 of 1024 MiB" {
		t.Errorf("as text: %s", got)
	}
	var out strings.Builder
	if err := summary(&out, Status{Name: "edge", Memory: m}); err != nil || !strings.Contains(out.String(), ", memory in use "+m.String()) {
		t.Errorf("%v: %s", err, out.String())
	}
}
