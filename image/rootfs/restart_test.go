package rootfs

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// settings are the lines of a unit, by name; of a name that comes again the last one counts.
func settings(t *testing.T, unit string) map[string]string {
	t.Helper()
	b, err := own.ReadFile("units/" + unit)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			out[name] = value
		}
	}
	return out
}

// sbcd comes back at once when it was killed, and however often in five minutes; one that refuses
// its configuration is told from that within a minute, by which a trial goes.
func TestSbcdComesBack(t *testing.T) {
	s := settings(t, "sbcd.service")
	number := func(name string) int {
		t.Helper()
		n, err := strconv.Atoi(s[name])
		if err != nil {
			t.Fatalf("%s=%q: %v", name, s[name], err)
		}
		return n
	}
	first, err := time.ParseDuration(s["RestartSec"])
	if err != nil {
		t.Fatal(err)
	}
	most := time.Duration(number("RestartMaxDelaySec")) * time.Second
	steps, burst, interval := number("RestartSteps"), number("StartLimitBurst"), time.Duration(number("StartLimitIntervalSec"))*time.Second
	// service_restart_usec_next of systemd 257, src/core/service.c: each pause is longer by one
	// factor, until the steps are used up.
	var pauses []time.Duration
	for n := 1; n <= burst; n++ {
		d := most
		if n <= steps {
			d = time.Duration(float64(first) * math.Pow(float64(most)/float64(first), float64(n-1)/float64(steps)))
		}
		pauses = append(pauses, d)
	}
	total := time.Duration(0)
	for _, d := range pauses[:burst-1] {
		total += d
	}
	const start = 500 * time.Millisecond // that a process takes to refuse, on a slow machine
	if all := total + time.Duration(burst)*start; all > time.Minute || all > interval {
		t.Errorf("a refusal is final after %s", all)
	}
	if burst < 22 {
		t.Errorf("%d starts in %s: the first, twenty after a kill, and one that counts as one too many", burst, interval)
	}
	// Timer B ends a call after 64*T1 = 32 s; four repetitions of a message must find a process.
	if pauses[0] > 200*time.Millisecond || most > 4*time.Second {
		t.Errorf("pauses from %s to %s: peers give up", pauses[0], most)
	}
	if s["Restart"] != "always" || s["FileDescriptorStorePreserve"] != "restart" || s["Type"] != "notify" || s["NotifyAccess"] != "main" {
		t.Errorf("%v", s)
	}
	// 1,024 listeners (spec.MaxListeners) with a worker for each thread beside, and the arena.
	if n := number("FileDescriptorStoreMax"); n < 1024+2048+1 {
		t.Errorf("room for %d descriptors", n)
	}
	if n := number("WatchdogSec"); n < 10 || n > 60 {
		t.Errorf("a process that hangs is ended after %d s", n)
	}
}
