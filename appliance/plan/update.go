package plan

import (
	"fmt"
	"hash/fnv"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/appliance/spec"
)

// Where the certificate that signs updates and the authorities of their server lie in
// the appliance.
const (
	SignerPath    = "/etc/trunkline/update-signer.pem"
	AuthorityPath = "/etc/trunkline/update-ca.pem"
)

// mostOffset bounds how long after the boot the first look for an update waits.
const mostOffset = time.Hour

// updates compiles when the appliance looks for updates and boots them. The appliances of
// a fleet do neither at once: each has its own moments, which follow from its name.
func updates(x *spec.Update, name string) *runtime.Update {
	if x == nil {
		return nil
	}
	out := &runtime.Update{
		URL: x.URL, Interval: runtime.Duration(x.Interval), Offset: runtime.Duration(moment(name, "look", min(x.Interval, mostOffset), time.Second)),
		Signer: SignerPath, Reboot: x.Reboot, Tries: x.Tries,
	}
	if x.CA != "" {
		out.CA = AuthorityPath
	}
	if w := x.Window; w != nil {
		out.WindowFirst, out.WindowLast = clock(w.First), clock(w.Last)
		out.RebootAt = clock((w.First + moment(name, "reboot", w.Length()*3/4, time.Minute)) % day)
	}
	return out
}

const day = 24 * time.Hour

// moment is the one of an appliance below a bound, in whole units: spread over the names of a fleet
// evenly, and the same at every build.
func moment(name, what string, bound, unit time.Duration) time.Duration {
	n := uint64(bound / unit)
	if n == 0 {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s", what, name)
	// The low bits of FNV differ least between names that differ in their last letter.
	v := h.Sum64()
	v ^= v >> 32
	v *= 0x9e3779b97f4a7c15
	v ^= v >> 29
	return time.Duration(v%n) * unit
}

// clock is a time of the day.
func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}
