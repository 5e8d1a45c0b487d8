package bake

import (
	"fmt"
	"math"
	"strings"
	"time"

	"trunkline/appliance/plan"
)

// sysctls renders sysctl.d(5), each setting with its reason.
func sysctls(p *plan.Plan) string {
	var b strings.Builder
	for _, s := range p.Budget.Sysctls {
		fmt.Fprintf(&b, "\n# %s\n%s = %s\n", s.Why, s.Key, s.Value)
	}
	return b.String()
}

// stopMargin is what sbcd gets beyond its drain to close everything, before the service
// manager kills it.
const stopMargin = 15 * time.Second

// service renders the drop-in that gives sbcd its sized limits, and the time its drain takes.
func service(p *plan.Plan) string {
	b := p.Budget
	// All the machine can spare beside kernel, root image and page cache: a leak
	// ends in a restart of sbcd, not in a machine that cannot even log it.
	room := 0.0
	for _, m := range b.Memory {
		switch m.Bytes.ID {
		case "memory.process", "memory.shm", "memory.sockets", "memory.free":
			room += m.Bytes.Value
		}
	}
	room = max(room, b.ProcessLimit.Value)
	return fmt.Sprintf(`
[Service]
Environment=GOMAXPROCS=%d
Environment=GOMEMLIMIT=%.0f
LimitNOFILE=%.0f
MemoryMax=%.0f
TimeoutStopSec=%d
`, max(p.Appliance.Hardware.Threads, 1), b.ProcessLimit.Value, b.OpenFiles.Value, room,
		int(math.Ceil((p.Appliance.Transaction.DrainTimeout.D() + stopMargin).Seconds())))
}

// secrets renders the drop-in that hands sbcd its credentials, by name and nothing else
// (systemd.exec(5), ImportCredential=): the service manager takes them, plain or encrypted,
// from where the machine was given them. It lets the service start without one, so that
// sbcd can say which is missing. Empty: there are no secrets.
func secrets(p *plan.Plan) string {
	var b strings.Builder
	for _, s := range p.Appliance.Secrets {
		fmt.Fprintf(&b, "ImportCredential=%s\n", s.Credential)
	}
	if b.Len() == 0 {
		return ""
	}
	return "# Values are not here: they reach the machine as systemd credentials of these names.\n\n[Service]\n" + b.String()
}
