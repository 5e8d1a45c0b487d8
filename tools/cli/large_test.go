package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// largeSite is a spec directory with 1,000 listeners, 200 dispatcher sets and 5,000
// destinations.
func largeSite(tb testing.TB) string {
	tb.Helper()
	const listeners, sets, each = 1000, 200, 25
	var addresses []string
	var b strings.Builder
	for i := range listeners {
		a := fmt.Sprintf("10.0.%d.%d", i/250, 1+i%250)
		addresses = append(addresses, fmt.Sprintf("%q", a+"/16"))
		fmt.Fprintf(&b, "listener \"l%d\" {\n  address = %q\n  sources = [\"198.51.100.0/24\"]\n}\n", i, a)
	}
	for i := range sets {
		fmt.Fprintf(&b, "route \"r%d\" {\n  prefix = \"+%d\"\n  to     = [\"d%d\"]\n}\n", i, 1000000+i, i)
		fmt.Fprintf(&b, "dispatcher \"d%d\" {\n  id = %d\n", i, i+1)
		for j := range each {
			n := i*each + j
			fmt.Fprintf(&b, "  destination \"x%d\" {\n    uri = \"sip:10.1.%d.%d:5060\"\n  }\n", n, n/250, 1+n%250)
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, `format_version = 1
appliance "large" {}
hardware {
  platform = "vm"
  memory   = "64GiB"
  cpu {
    cores = 32
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    addresses = [%s]
    gateway   = "10.0.255.1"
  }
}
workload {
  cps              = 2000
  concurrent_calls = 120000
  call_duration    = "60s"
}
`, strings.Join(addresses, ", "))
	dir := filepath.Join(tb.TempDir(), "large")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large.hcl"), []byte(b.String()), 0o644); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// BenchmarkLarge is commands on a spec of the largest size, as a user waits for them.
func BenchmarkLarge(b *testing.B) {
	dir := largeSite(b)
	for _, args := range [][]string{{"validate", dir}, {"plan", dir}, {"plan", "-json", dir}} {
		b.Run(strings.Join(args[:len(args)-1], " "), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var errs bytes.Buffer
				status := Run(context.Background(), args, Env{Stdout: io.Discard, Stderr: &errs, Getenv: func(string) string { return "" }})
				if status != exitOK {
					b.Fatalf("exit status %d\n%s", status, errs.String())
				}
			}
		})
	}
}
