package rootfs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Ids that sysusers.d leaves open are given out downwards from here, in order of
// names, as systemd-sysusers does: the range of system accounts.
const (
	firstSystemID = 999
	lastSystemID  = 101
)

type user struct {
	name, gecos, home string
	uid, gid          int
}

// accounts collects sysusers.d lines; ids are settled in finish.
type accounts struct {
	users   map[string]*user
	groups  map[string]int      // name -> gid, -1: still open
	members map[string][]string // group -> users
	gidOf   map[string]string   // user -> group that gives its gid, until finish
}

// applyAccounts writes /etc/passwd, group, shadow and gshadow from the sysusers.d
// files of the tree. No account has a password or a shell.
func (t *Tree) applyAccounts() error {
	a := &accounts{users: map[string]*user{}, groups: map[string]int{}, members: map[string][]string{}, gidOf: map[string]string{}}
	for _, p := range t.Glob("usr/lib/sysusers.d/*.conf") {
		for i, line := range strings.Split(string(t.nodes[p].Data), "\n") {
			if err := a.line(line); err != nil {
				return fmt.Errorf("/%s:%d: %w", p, i+1, err)
			}
		}
	}
	if err := a.finish(); err != nil {
		return fmt.Errorf("accounts of sysusers.d: %w", err)
	}
	for _, f := range []struct {
		path string
		mode uint32
		data string
	}{
		{"etc/passwd", 0o644, a.passwd()},
		{"etc/group", 0o644, a.group()},
		{"etc/shadow", 0o600, a.shadow()},
		{"etc/gshadow", 0o600, a.gshadow()},
	} {
		if err := t.File(f.path, fsMode(f.mode), []byte(f.data)); err != nil {
			return err
		}
	}
	return nil
}

// line takes one line of sysusers.d(5). The first line for a name wins.
func (a *accounts) line(s string) error {
	f, err := words(s)
	if err != nil || len(f) == 0 {
		return err
	}
	if len(f) < 2 {
		return fmt.Errorf("%q: a type and a name are needed", s)
	}
	for len(f) < 5 {
		f = append(f, "-")
	}
	kind, name, id := strings.TrimRight(f[0], "!"), f[1], f[2]
	if strings.ContainsAny(name, ":%\n") {
		return fmt.Errorf("name %q: only plain names are understood", name)
	}
	switch kind {
	case "g":
		if _, ok := a.groups[name]; ok {
			return nil
		}
		a.groups[name] = -1
		if id != "-" {
			a.groups[name], err = number(id)
		}
		return err
	case "u":
		if _, ok := a.users[name]; ok {
			return nil
		}
		return a.addUser(name, id, f[3], f[4])
	case "m":
		group := f[2]
		if !slices.Contains(a.members[group], name) {
			a.members[group] = append(a.members[group], name)
		}
		return nil
	case "r":
		return nil // ranges: ours is fixed
	}
	return fmt.Errorf("type %q is not understood", f[0])
}

func (a *accounts) addUser(name, id, gecos, home string) (err error) {
	u := &user{name: name, uid: -1, gid: -1, home: "/"}
	if gecos != "-" {
		u.gecos = gecos
	}
	if home != "-" {
		u.home = home
	}
	uid, group, hasGroup := strings.Cut(id, ":")
	if uid != "-" {
		if u.uid, err = number(uid); err != nil {
			return err
		}
	}
	a.users[name] = u
	if hasGroup {
		if g, err := strconv.Atoi(group); err == nil {
			u.gid = g
		} else {
			a.gidOf[name] = group
		}
		return nil
	}
	a.gidOf[name] = name
	if g, ok := a.groups[name]; !ok || g == -1 {
		a.groups[name] = u.uid // may still be open; then both get one number
	}
	return nil
}

// finish gives numbers to all that are open. A user and its own group get the
// same one.
func (a *accounts) finish() error {
	used := map[int]bool{}
	for _, u := range a.users {
		used[u.uid] = true
	}
	for _, g := range a.groups {
		used[g] = true
	}
	next := firstSystemID
	take := func() (int, error) {
		for ; next >= lastSystemID; next-- {
			if !used[next] {
				used[next] = true
				return next, nil
			}
		}
		return 0, fmt.Errorf("no system id is left between %d and %d", lastSystemID, firstSystemID)
	}
	for g := range a.members {
		if _, ok := a.groups[g]; !ok {
			a.groups[g] = -1
		}
	}
	var err error
	for _, name := range slices.Sorted(maps.Keys(a.groups)) {
		if a.groups[name] == -1 {
			if a.groups[name], err = take(); err != nil {
				return err
			}
			if u := a.users[name]; u != nil && u.uid == -1 && a.gidOf[name] == name {
				u.uid = a.groups[name]
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.users)) {
		u := a.users[name]
		if g, ok := a.gidOf[name]; ok {
			gid, ok := a.groups[g]
			if !ok {
				return fmt.Errorf("user %s: no group %s", name, g)
			}
			u.gid = gid
		}
		if u.uid == -1 {
			if u.uid, err = take(); err != nil {
				return err
			}
		}
	}
	for g, m := range a.members {
		slices.Sort(m)
		for _, name := range m {
			if a.users[name] == nil {
				return fmt.Errorf("group %s has the member %s, who is no user", g, name)
			}
		}
	}
	return nil
}

func (a *accounts) sortedUsers() []*user {
	return slices.SortedFunc(maps.Values(a.users), func(x, y *user) int {
		return cmp.Or(cmp.Compare(x.uid, y.uid), cmp.Compare(x.name, y.name))
	})
}

func (a *accounts) sortedGroups() []string {
	return slices.SortedFunc(maps.Keys(a.groups), func(x, y string) int {
		return cmp.Or(cmp.Compare(a.groups[x], a.groups[y]), cmp.Compare(x, y))
	})
}

func (a *accounts) passwd() string {
	var b strings.Builder
	for _, u := range a.sortedUsers() {
		fmt.Fprintf(&b, "%s:x:%d:%d:%s:%s:/usr/sbin/nologin\n", u.name, u.uid, u.gid, u.gecos, u.home)
	}
	return b.String()
}

func (a *accounts) group() string {
	var b strings.Builder
	for _, g := range a.sortedGroups() {
		fmt.Fprintf(&b, "%s:x:%d:%s\n", g, a.groups[g], strings.Join(a.members[g], ","))
	}
	return b.String()
}

// shadow locks every account. The day of the last change is left out: it is the
// only time in these files.
func (a *accounts) shadow() string {
	var b strings.Builder
	for _, u := range a.sortedUsers() {
		fmt.Fprintf(&b, "%s:!*:::::::\n", u.name)
	}
	return b.String()
}

func (a *accounts) gshadow() string {
	var b strings.Builder
	for _, g := range a.sortedGroups() {
		fmt.Fprintf(&b, "%s:!*::%s\n", g, strings.Join(a.members[g], ","))
	}
	return b.String()
}

func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("id %q: a number is needed", s)
	}
	return int(n), nil
}
