package rootfs

import (
	"fmt"
	"path"
	"strings"
)

const enabledDir = "etc/systemd/system"

// Enable does what `systemctl enable` does offline: it makes the links that the
// [Install] sections of the units ask for (WantedBy=, RequiredBy=, UpheldBy=,
// Alias=), and follows Also=. Nothing else is enabled: the preset is "disable *".
func (t *Tree) Enable(units ...string) error {
	done := map[string]bool{}
	for len(units) > 0 {
		u := units[0]
		units = units[1:]
		if done[u] {
			continue
		}
		done[u] = true
		also, err := t.enable(u)
		if err != nil {
			return fmt.Errorf("enabling %s: %w", u, err)
		}
		units = append(units, also...)
	}
	return nil
}

func (t *Tree) enable(unit string) (also []string, err error) {
	file := t.Resolve(unitDir + "/" + unit)
	if file == "" || t.nodes[file].Kind != Regular {
		return nil, fmt.Errorf("no package brings this unit")
	}
	target := "/" + unitDir + "/" + unit
	for key, values := range install(string(t.nodes[file].Data)) {
		for _, v := range values {
			if strings.ContainsAny(v, "%/") {
				return nil, fmt.Errorf("%s=%s: only plain unit names are understood", key, v)
			}
			var link string
			switch key {
			case "WantedBy":
				link = path.Join(enabledDir, v+".wants", unit)
			case "RequiredBy":
				link = path.Join(enabledDir, v+".requires", unit)
			case "UpheldBy":
				link = path.Join(enabledDir, v+".upholds", unit)
			case "Alias":
				link = path.Join(enabledDir, v)
			case "Also":
				also = append(also, v)
				continue
			default:
				continue
			}
			if err := t.Symlink(link, target); err != nil {
				return nil, err
			}
		}
	}
	return also, nil
}

// install reads the [Install] section: key -> all values.
func install(unit string) map[string][]string {
	out := map[string][]string{}
	section := ""
	for line := range strings.Lines(strings.ReplaceAll(unit, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = line
		case section == "[Install]":
			if k, v, ok := strings.Cut(line, "="); ok {
				k = strings.TrimSpace(k)
				out[k] = append(out[k], strings.Fields(v)...)
			}
		}
	}
	return out
}
