package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// bench is one run.
type bench struct {
	bin, spec, sbc      string
	work                string
	calibration         string // file of coefficients that sbcd is baked with; empty: the version's own
	proxyCore, loadCore string
	workers             int
	rates               []int
	rounds, again       int
	seconds, warmup     float64
	ramp                string
	parts               map[string]bool
	gate                bool
}

func (b *bench) program(name string) string { return filepath.Join(b.bin, name) }

func main() {
	if len(os.Args) == 3 && os.Args[1] == floor { // a process of our own, see start
		if err := forward(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := benchmark(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func benchmark(ctx context.Context) error {
	b := &bench{parts: map[string]bool{}}
	flag.StringVar(&b.bin, "bin", "bin", "directory of trunkline, sbcd and sipload")
	flag.StringVar(&b.spec, "spec", "ci/bench/spec", "spec of the proxy under test")
	flag.StringVar(&b.sbc, "sbc-spec", "ci/bench/sbc", "spec of the proxy under test with the duties of an SBC")
	flag.IntVar(&b.rounds, "rounds", 3, "times each cell is measured; the median counts")
	flag.IntVar(&b.again, "again", 2, "times a cell that the machine has spoiled is measured again")
	flag.Float64Var(&b.seconds, "seconds", 8, "length of the measured window")
	flag.Float64Var(&b.warmup, "warmup", 6, "seconds before it; transactions live 5 s after their end")
	flag.IntVar(&b.workers, "workers", 1, "receive workers of each proxy")
	flag.StringVar(&b.ramp, "ramp", "2000:16000:1000", "FROM:TO:STEP of the search for the highest loss-free rate")
	flag.StringVar(&b.proxyCore, "proxy-core", "0", "core of the proxy")
	flag.StringVar(&b.loadCore, "load-core", "1", "core of the load")
	flag.BoolVar(&b.gate, "gate", false, "exit with an error when a bound of the project is missed in cells that count")
	rates := flag.String("rates", "1000,2000,4000", "calls per second, with commas")
	parts := flag.String("parts", "cpu,floor,knee,memory,routes,sbc,standing,plan", "what to measure, with commas; floor is bare forwarding, beside cpu; routes is a table of a million prefixes; sbc is cpu with dialogs, limits and a key for each call; standing is 60,000 calls up at once; plan holds a plan with a calibration of this machine against a run")
	jsonFile := flag.String("json", "", "write what was measured to this file, too")
	flag.Parse()
	for _, r := range strings.Split(*rates, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(r))
		if err != nil || n < 1 {
			return fmt.Errorf("-rates: %q is no rate: write calls per second, such as 1000,2000", r)
		}
		b.rates = append(b.rates, n)
	}
	for _, p := range strings.Split(*parts, ",") {
		b.parts[strings.TrimSpace(p)] = true
	}
	if b.rounds < 1 || b.seconds < 1 {
		return fmt.Errorf("at least one round of one second")
	}
	for _, dir := range []*string{&b.bin, &b.spec, &b.sbc} { // proxies run in directories of their own
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return err
		}
		*dir = abs
	}
	for _, name := range []string{"kamailio", "kamcmd", "taskset"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is not installed: run ci/setup bench", name)
		}
	}
	for _, name := range []string{"trunkline", "sbcd", "sipload"} {
		if _, err := os.Stat(b.program(name)); err != nil {
			return fmt.Errorf("%w: run make build", err)
		}
	}
	var err error
	if b.work, err = os.MkdirTemp("", "trunkline-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	defer raiseBuffers()()
	t, err := b.measure(ctx)
	if err != nil {
		return err
	}
	t.print(os.Stdout)
	if *jsonFile != "" {
		data, err := encode(t)
		if err != nil {
			return err
		}
		if err := os.WriteFile(*jsonFile, data, 0o644); err != nil {
			return err
		}
	}
	if missed := t.missed(); b.gate && len(missed) > 0 {
		return fmt.Errorf("missed: %s", strings.Join(missed, "; "))
	}
	return nil
}

// raiseBuffers lets a proxy without the privilege to go beyond have the receive
// buffer it asks for (socket(7)), and gives back what puts it as it was.
func raiseBuffers() func() {
	const file = "/proc/sys/net/core/rmem_max"
	old, err := os.ReadFile(file)
	if err != nil {
		return func() {}
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(old))); err != nil || n >= receiveBuffer {
		return func() {}
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(receiveBuffer)), 0o644); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s stays at %s: Kamailio has a smaller receive buffer than sbcd\n", file, strings.TrimSpace(string(old)))
		return func() {}
	}
	return func() { _ = os.WriteFile(file, old, 0o644) }
}
