package spec

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// largeSpec is a valid spec but for its size: listeners on addresses of one NIC,
// and dispatchers of ten destinations each, all of them in routes of their own.
func largeSpec(listeners, destinations int) fstest.MapFS {
	var addresses []string
	var b strings.Builder
	for i := range listeners {
		a := fmt.Sprintf("10.0.%d.%d", i/250, 1+i%250)
		addresses = append(addresses, fmt.Sprintf("%q", a+"/16"))
		fmt.Fprintf(&b, "listener \"l%d\" {\n  address = %q\n  sources = [\"198.51.100.0/24\"]\n}\n", i, a)
	}
	fsys := fstest.MapFS{}
	for i := range destinations {
		if i%10 == 0 {
			fmt.Fprintf(&b, "route \"r%d\" {\n  prefix = \"+%d\"\n  to = [\"d%d\"]\n}\n", i/10, 1000000+i, i/10)
			fmt.Fprintf(&b, "dispatcher \"d%d\" {\n  id = %d\n", i/10, i/10+1)
		}
		fmt.Fprintf(&b, "  destination \"x%d\" {\n    uri = \"sip:10.%d.%d.%d:5060\"\n  }\n", i, 1+i/62500, i/250%250, 1+i%250)
		if i%10 == 9 || i == destinations-1 {
			b.WriteString("}\n")
		}
		if i%5000 == 4999 || i == destinations-1 { // a file has a bound of its own
			fsys[fmt.Sprintf("calls-%05d.hcl", i)] = &fstest.MapFile{Data: []byte(b.String())}
			b.Reset()
		}
	}
	head := fmt.Sprintf(`format_version = 1
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
	fsys["large.hcl"] = &fstest.MapFile{Data: []byte(head)}
	return fsys
}

// What sbcd refuses to start with is told here, with its line.
func TestMoreThanAProxyTakes(t *testing.T) {
	manySets := largeSpec(1, 90)
	manySets["to.hcl"] = &fstest.MapFile{Data: []byte("route \"all\" {\n  to = [\n    \"d0\", \"d1\", \"d2\", \"d3\", \"d4\", \"d5\", \"d6\", \"d7\",\n    \"d8\",\n  ]\n}\n")}
	for name, c := range map[string]struct {
		fsys    fstest.MapFS
		summary string
		line    string
	}{
		"listeners":    {largeSpec(MaxListeners+1, 10), "Too many listeners", `listener "l1024" {`},
		"destinations": {largeSpec(1, MaxDestinations+1), "Too many destinations", `dispatcher "d6553" {`},
		"dispatchers":  {manySets, "Too many dispatchers", `"d8",`},
	} {
		_, diags, files := LoadFS(c.fsys, "", Options{})
		if len(diags) != 1 || diags[0].Summary != c.summary {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		if s := NewReport(files, diags).Diagnostics[0].Snippet; s == nil || strings.TrimSpace(s.Code) != c.line {
			t.Errorf("%s: points at %+v, not at %q", name, s, c.line)
		}
	}
	if _, diags, _ := LoadFS(largeSpec(MaxListeners, 10), "", Options{}); len(diags) > 0 {
		t.Errorf("%d listeners are refused: %v", MaxListeners, diags)
	}
}

func BenchmarkLoadLarge(b *testing.B) {
	fsys := largeSpec(1000, 5000)
	for b.Loop() {
		if _, diags, _ := LoadFS(fsys, "", Options{}); len(diags) != 0 {
			b.Fatal(diags)
		}
	}
}
