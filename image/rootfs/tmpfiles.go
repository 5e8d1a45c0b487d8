package rootfs

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// applyTmpfiles does the lines of tmpfiles.d(5) that concern /etc, which is
// read-only at boot. All other lines are left to systemd-tmpfiles.
func (t *Tree) applyTmpfiles() error {
	for _, p := range t.Glob("usr/lib/tmpfiles.d/*.conf") {
		for i, line := range strings.Split(string(t.nodes[p].Data), "\n") {
			if err := t.tmpfilesLine(line); err != nil {
				return fmt.Errorf("/%s:%d: %w", p, i+1, err)
			}
		}
	}
	return nil
}

func (t *Tree) tmpfilesLine(line string) error {
	f, err := words(line)
	if err != nil || len(f) < 2 {
		return err
	}
	kind, target := f[0], strings.TrimPrefix(path.Clean(f[1]), "/")
	// '^' takes the content from a credential, which only a running system has;
	// '!' lines are for boot.
	if !strings.HasPrefix(target, "etc/") || strings.ContainsAny(kind, "^!") || strings.Contains(target, "%") {
		return nil
	}
	for len(f) < 7 {
		f = append(f, "-")
	}
	arg := f[6]
	there := t.nodes[target] != nil
	switch strings.TrimRight(kind, "+=~$-") {
	case "d", "D":
		mode, err := octal(f[2], 0o755)
		if err != nil {
			return err
		}
		if err := t.Mkdir(target, fsMode(mode)); err != nil {
			return err
		}
		// One that a package brings gets the mode too, unless '-' or ':' spare it.
		if f[2] != "-" && !strings.Contains(f[2], ":") {
			t.nodes[target].Mode = fsMode(mode)
		}
		return nil
	case "f":
		if there {
			return nil
		}
		mode, err := octal(f[2], 0o644)
		if err != nil {
			return err
		}
		if arg == "-" {
			arg = ""
		}
		return t.File(target, fsMode(mode), []byte(arg))
	case "L":
		if there && !strings.Contains(kind, "+") {
			return nil
		}
		if arg == "-" {
			arg = "../usr/share/factory/" + target
		}
		return t.Symlink(target, arg)
	}
	return nil
}

func octal(s string, unset uint32) (uint32, error) {
	if s == "-" {
		return unset, nil
	}
	n, err := strconv.ParseUint(strings.TrimLeft(s, "~:"), 8, 12)
	if err != nil {
		return 0, fmt.Errorf("mode %q: an octal number is needed", s)
	}
	return uint32(n), nil
}
