package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/appliance/plan"
	"trunkline/appliance/spec"
)

// largeFleet writes a fleet of n appliances: the example's, but one row of a table
// for each.
func largeFleet(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../appliance/examples/fleet")); err != nil {
		t.Fatal(err)
	}
	var sites strings.Builder
	sites.WriteString("name,site,network,mac,size\n")
	sizes := []string{"small", "medium", "large"}
	for i := range n {
		fmt.Fprintf(&sites, "edge-%04d,s%04d,172.16.%d.%d/27,52:54:00:12:%02x:%02x,%s\n", i, i, i/8, i%8*32, i/256, i%256, sizes[i%3])
	}
	const appliances = `format_version = 1

dynamic "appliance" {
  for_each = { for s in csvdecode(file("sites.csv")) : s.name => s }
  labels   = [appliance.key]
  content {
    site = appliance.value.site
    variables = {
      network = appliance.value.network
      mac     = appliance.value.mac
      size    = appliance.value.size
    }
  }
}
`
	for name, text := range map[string]string{"sites.csv": sites.String(), "fleet.hcl": appliances} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func loadFleet(t testing.TB, dir string) []*spec.Spec {
	t.Helper()
	specs, diags, _ := spec.LoadFleet(dir, spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return specs
}

// quiet is a run of the program without a terminal.
func quiet() *app {
	return &app{Env: Env{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }}}
}

// A fleet planned on all processors is what its appliances are one by one, in order.
func TestAFleetIsItsAppliances(t *testing.T) {
	specs := loadFleet(t, largeFleet(t, 60))
	all, err := quiet().planSpecs(context.Background(), specs)
	if err != nil || len(all) != len(specs) {
		t.Fatalf("%d plans, %v", len(all), err)
	}
	for i, s := range specs {
		one, err := quiet().planSpec(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := encoded(t, all[i].plan), encoded(t, one.plan); got != want {
			t.Errorf("%s is planned otherwise in its fleet", s.Appliance.Name)
		}
		if len(all[i].files) != len(one.files) || all[i].spec != s {
			t.Errorf("%s: files or spec of another", s.Appliance.Name)
		}
	}
}

func encoded(t *testing.T, p *plan.Plan) string {
	t.Helper()
	b, err := plan.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Whichever worker is the fastest, the error is that of the first appliance.
func TestTheFirstErrorOfAFleet(t *testing.T) {
	specs := loadFleet(t, largeFleet(t, 40))
	for _, i := range []int{7, 8, 9, 30} {
		d := *specs[i].Dispatchers[0]
		d.Destinations = []*spec.Destination{{Name: "six", Address: netip.MustParseAddrPort("[2001:db8::1]:5060")}}
		specs[i].Dispatchers = []*spec.Dispatcher{&d}
	}
	for range 20 {
		_, err := quiet().planSpecs(context.Background(), specs)
		if err == nil || !strings.HasPrefix(err.Error(), "edge-0007: plan of edge-0007: ") {
			t.Fatalf("error: %v", err)
		}
	}
}

func TestAnInterruptedFleet(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	plans, err := quiet().planSpecs(ctx, loadFleet(t, largeFleet(t, 5)))
	if !errors.Is(err, context.Canceled) || plans != nil {
		t.Errorf("%d plans, error %v", len(plans), err)
	}
}

// BenchmarkPlanFleet is `trunkline plan` of a fleet, as the command does it: load,
// size, plan, render the files, print.
func BenchmarkPlanFleet(b *testing.B) {
	dir := largeFleet(b, 200)
	for _, args := range [][]string{{"validate", dir}, {"plan", dir}, {"plan", "-json", dir}, {"diff", dir, dir}} {
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
