package diff

import (
	"slices"
	"strings"
	"testing"
)

// What changes a media relay on the appliance itself takes more than what changes one elsewhere.
func TestImpactsOfMedia(t *testing.T) {
	const (
		head = "# The machine"
		far  = "  instance \"far\" {\n    control = [\"10.0.0.31:2223\"]\n    max_sessions = 1000\n    weight = 2\n  }\n"
		here = "  instance \"here\" {\n    addresses = [\"203.0.113.10\"]\n    ports = \"30000-33999\"\n    max_sessions = 1000\n    weight = 2\n  }\n"
	)
	with := func(instances string) []string {
		return []string{"edge.hcl", head, "media {\n" + instances + "}\n" + head}
	}
	relays := func(edits ...string) []string { return with(strings.NewReplacer(edits...).Replace(far + here)) }
	for name, tt := range map[string]struct {
		before, after []string
		want          string // of the changes, one
		impact        Impact
	}{
		"no relay, and one elsewhere":      {nil, with(far), "calls add media live", Restart}, // rows of sessions are laid out at start
		"no relay, and one here":           {nil, with(here), "machine add media reboot", Reboot},
		"the last relay here goes":         {with(here), nil, "removals remove media restart", Restart},
		"one comes beside one elsewhere":   {with(far), with(far + here), "machine add media.instances[] reboot", Reboot},
		"one elsewhere comes":              {with(here), with(far + here), "calls add media.instances[] live", Live},
		"one here goes":                    {with(far + here), with(far), "removals remove media.instances[] restart", Restart},
		"cap of one here":                  {relays(), relays("ports = \"30000-33999\"\n    max_sessions = 1000", "ports = \"30000-33999\"\n    max_sessions = 900"), "machine change media.instances[].max_sessions restart", Restart},
		"cap of one elsewhere":             {relays(), relays("2223\"]\n    max_sessions = 1000", "2223\"]\n    max_sessions = 900"), "calls change media.instances[].max_sessions live", Live},
		"control of one here":              {relays(), relays("    addresses", "    control = [\"127.0.0.1:2224\"]\n    addresses"), "machine change media.instances[].control restart", Restart},
		"control of one elsewhere":         {relays(), relays(".31:2223", ".31:2224"), "calls change media.instances[].control live", Live},
		"ports of one here":                {relays(), relays("33999", "34999"), "machine change media.instances[].last_port restart", Restart},
		"part of the calls of one here":    {relays(), relays("33999\"\n    max_sessions = 1000\n    weight = 2", "33999\"\n    max_sessions = 1000\n    weight = 1"), "calls change media.instances[].weight live", Live},
		"address of one here, of the same": {relays(), relays("203.0.113.10", "203.0.113.11"), "machine change media.instances[].addresses restart", Restart},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustCompare(t, variant(t, "a", tt.before...), variant(t, "b", tt.after...))
			got := keys(d)
			if !slices.Contains(got, tt.want) {
				t.Errorf("no %q in:\n%s", tt.want, strings.Join(got, "\n"))
			}
			if d.Impact != tt.impact || d.Today != Reboot {
				t.Errorf("impact %s, today %s; want %s:\n%s", d.Impact, d.Today, tt.impact, strings.Join(got, "\n"))
			}
			for _, f := range d.Files {
				if (strings.Contains(f.Path, "rtpengine") || strings.Contains(f.Path, "/media/")) && f.How == unknown.How {
					t.Errorf("%s is in no row", f.Path)
				}
			}
		})
	}
}
