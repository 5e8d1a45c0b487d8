package inspect

import (
	"path"
	"slices"
	"strings"
)

// Unit is a systemd unit that something pulls in by a link, as `systemctl enable`
// makes them (systemd.unit(5)).
type Unit struct {
	Name string   `json:"name"`
	By   []string `json:"by"`   // what pulls it in, "multi-user.target" or "alias dbus.service", sorted
	From string   `json:"from"` // the layer whose link it is: "config", "image" or "package"
}

// Layers a unit may be enabled by.
const (
	FromConfig  = "config"  // this appliance's files
	FromImage   = "image"   // Trunkline, for every appliance
	FromPackage = "package" // a Debian package, for itself
)

const (
	adminUnits   = "etc/systemd/system"
	packageUnits = "usr/lib/systemd/system"
)

// enabledUnits finds the enabled units among the files of the root image and the
// config layer that lies over its etc.
func enabledUnits(root, config []File) []Unit {
	type key struct{ name, from string }
	found := map[key][]string{}
	look := func(files []File, dir, from string) {
		for _, f := range files {
			rest, below := strings.CutPrefix(f.Path, dir+"/")
			if !below || f.Link == "" {
				continue
			}
			name, by, ok := pulledIn(rest, f.Link)
			if ok {
				k := key{name, from}
				found[k] = append(found[k], by)
			}
		}
	}
	look(config, adminUnits, FromConfig)
	look(root, adminUnits, FromImage)
	look(root, packageUnits, FromPackage)
	out := make([]Unit, 0, len(found))
	for k, by := range found {
		slices.Sort(by)
		out = append(out, Unit{Name: k.name, By: slices.Compact(by), From: k.from})
	}
	slices.SortFunc(out, func(a, b Unit) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.From, b.From)
	})
	return out
}

// pulledIn reads a link below a unit directory: of a .wants, .requires or .upholds
// directory, or an alias. A link to /dev/null masks a unit and enables nothing.
func pulledIn(link, target string) (name, by string, ok bool) {
	if target == "/dev/null" {
		return "", "", false
	}
	dir, base := path.Split(link)
	if dir == "" {
		if real := path.Base(target); real != base {
			return real, "alias " + base, true
		}
		return "", "", false
	}
	dir = strings.TrimSuffix(dir, "/")
	for _, kind := range []string{".wants", ".requires", ".upholds"} {
		if unit, ok := strings.CutSuffix(dir, kind); ok {
			return base, unit, true
		}
	}
	return "", "", false
}
