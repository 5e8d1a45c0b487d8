package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecurityLine(t *testing.T) {
	params := func(mode byte) []byte {
		b := make([]byte, 4096)
		b[secureBootOffset] = mode
		return b
	}
	for _, tt := range []struct {
		name, levels string
		params       []byte
		want, left   string
	}{
		{"off", "[none] integrity confidentiality\n", params(2), "Secure Boot off, kernel lockdown integrity", "integrity"},
		{"firmware without it", "[none] integrity confidentiality\n", params(0), "Secure Boot off, kernel lockdown integrity", "integrity"},
		{"off, locked by the command line", "none integrity [confidentiality]\n", params(2), "Secure Boot off, kernel lockdown confidentiality", "none integrity [confidentiality]\n"},
		{"on, the kernel locked itself", "none [integrity] confidentiality\n", params(3), "Secure Boot on, kernel lockdown integrity", "none [integrity] confidentiality\n"},
		{"on, the kernel did not", "[none] integrity confidentiality\n", params(3), "Secure Boot on, kernel lockdown integrity", "integrity"},
		{"short parameters", "[none] integrity\n", params(3)[:100], "Secure Boot off, kernel lockdown integrity", "integrity"},
		{"no answer", "none integrity\n", params(3), "Secure Boot on, kernel lockdown not possible (the kernel does not say", "none integrity\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "lockdown")
			if err := os.WriteFile(name, []byte(tt.levels), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := securityLine(tt.params, name); !strings.HasPrefix(got, "trunkline: "+tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
			left, err := os.ReadFile(name)
			if err != nil || string(left) != tt.left {
				t.Errorf("the file holds %q (%v), want %q", left, err, tt.left)
			}
		})
	}
	if got := securityLine(params(3), filepath.Join(t.TempDir(), "none")); !strings.Contains(got, "kernel lockdown not possible (open ") {
		t.Errorf("a kernel without lockdown: %q", got)
	}
}
