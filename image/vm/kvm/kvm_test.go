package kvm

import (
	"os"
	"testing"
)

// TestProbe accepts both outcomes, but an outcome must come, and a machine
// without the device must be told apart.
func TestProbe(t *testing.T) {
	err := Probe()
	t.Logf("KVM works: %v (%v)", err == nil, err)
	if _, statErr := os.Stat("/dev/kvm"); statErr != nil && err == nil {
		t.Error("KVM works without /dev/kvm")
	}
}
