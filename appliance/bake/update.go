package bake

import (
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/spec"
)

// Of the unit that looks for updates, which the base layer holds and does not start.
const (
	updateTimer = "etc/systemd/system/trunkline-update.timer"
	updateWant  = "etc/systemd/system/timers.target.wants/trunkline-update.timer"
)

// settle is how long after the boot the first look for an update waits at least: an
// appliance that just came up on trial is found good before.
const settle = 30 * time.Second

// updateFiles renders what has the appliance look for updates: the timer, the certificate
// that signs them, and the authorities of their server. Without an update block there is
// none of it, and nothing is asked.
func updateFiles(p *plan.Plan, s *spec.Spec, head string) []File {
	u := p.Appliance.Update
	if u == nil || s.Update == nil {
		return nil
	}
	out := []File{
		text(updateTimer, head+timer(u)),
		{Path: updateWant, Link: "/" + updateTimer},
		{Path: strings.TrimPrefix(u.Signer, "/"), Mode: 0o644, Data: certificate(s.Update.Certificate)},
	}
	if u.CA != "" {
		var all []byte
		for _, der := range s.Update.Authorities {
			all = append(all, certificate(der)...)
		}
		out = append(out, File{Path: strings.TrimPrefix(u.CA, "/"), Mode: 0o644, Data: all})
	}
	return out
}

// timer renders systemd.timer(5). The moment at which an update that waits is booted is
// one more look: what is newest by then is booted.
func timer(u *runtime.Update) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
[Unit]
Description=Looks for updates of the appliance

[Timer]
OnBootSec=%d
OnUnitActiveSec=%d
`, seconds(settle+u.Offset.D()), seconds(u.Interval.D()))
	if u.RebootAt != "" {
		fmt.Fprintf(&b, "# A version that waits is booted, between %s and %s.\nOnCalendar=*-*-* %s:00 UTC\n", u.WindowFirst, u.WindowLast, u.RebootAt)
	}
	b.WriteString("AccuracySec=1s\nUnit=trunkline-update.service\n")
	return b.String()
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func certificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
