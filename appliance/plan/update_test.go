package plan

import (
	"fmt"
	"testing"
	"time"

	"trunkline/appliance/spec"
)

// The appliances of a fleet look for updates and restart at moments of their own, the
// same at every build, spread evenly.
func TestUpdatesAreSpread(t *testing.T) {
	at := func(h, m int) time.Duration { return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute }
	for _, c := range []struct {
		name        string
		interval    time.Duration
		first, last time.Duration
		most        time.Duration // after the window opened
	}{
		{"the default", time.Hour, at(2, 0), at(4, 0), 90 * time.Minute},
		{"over midnight", 24 * time.Hour, at(23, 30), at(1, 30), 90 * time.Minute},
		{"a minute", time.Minute, at(3, 0), at(3, 1), 0},
	} {
		const fleet = 400
		looks, boots := map[time.Duration]int{}, map[string]int{}
		for i := range fleet {
			name := fmt.Sprintf("edge-%03d", i)
			u := &spec.Update{Interval: c.interval, Reboot: spec.RebootWindow, Window: &spec.Window{First: c.first, Last: c.last}}
			got := updates(u, name)
			if again := updates(u, name); *again != *got {
				t.Fatalf("%s: %s has two plans: %+v, %+v", c.name, name, got, again)
			}
			if got.Offset < 0 || got.Offset.D() >= min(c.interval, mostOffset) {
				t.Errorf("%s: offset %v with an interval of %v", c.name, got.Offset.D(), c.interval)
			}
			looks[got.Offset.D()/(min(c.interval, mostOffset)/10)]++
			boots[got.RebootAt]++
			var h, m int
			if _, err := fmt.Sscanf(got.RebootAt, "%d:%d", &h, &m); err != nil {
				t.Fatal(err)
			}
			if into := (at(h, m) - c.first + day) % day; into > c.most {
				t.Errorf("%s: %s is %v into the window", c.name, got.RebootAt, into)
			}
		}
		for tenth, n := range looks {
			if n < fleet/10/3 || n > fleet/10*3 {
				t.Errorf("%s: %d of %d look in tenth %d", c.name, n, fleet, tenth)
			}
		}
		if c.most > 0 {
			for when, n := range boots {
				if n > fleet/10 {
					t.Errorf("%s: %d of %d restart at %s", c.name, n, fleet, when)
				}
			}
		}
	}
}

func TestNoUpdates(t *testing.T) {
	if u := updates(nil, "edge"); u != nil {
		t.Errorf("%+v without an update block", u)
	}
	u := updates(&spec.Update{Interval: time.Hour, Reboot: spec.RebootManual, CA: "ca.pem"}, "edge")
	if u.RebootAt != "" || u.WindowFirst != "" || u.CA != AuthorityPath || u.Signer != SignerPath {
		t.Errorf("%+v", u)
	}
}
