package audit

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"trunkline/appliance/runtime"
)

// settingsFiles are what systemd-sysctl sets at boot and this image answers for, in order:
// a later file wins (sysctl.d(5)). The second is made from the spec.
var settingsFiles = []string{"usr/lib/sysctl.d/60-trunkline.conf", "etc/sysctl.d/90-trunkline.conf"}

// settings holds when the kernel has every setting as the image's files give it.
func settings(root fs.FS, _ *runtime.Appliance) (string, []string, error) {
	want := map[string]string{}
	for _, name := range settingsFiles {
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return "", nil, err
		}
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			key, value, ok := strings.Cut(line, "=")
			if !ok {
				return "", nil, fmt.Errorf("%s: not understood: %q", name, line)
			}
			want[strings.TrimSpace(key)] = strings.Join(strings.Fields(value), " ")
		}
	}
	var bad []string
	looked := 0
	for key, value := range want {
		// An asterisk stands for every interface.
		files, err := fs.Glob(root, "proc/sys/"+strings.ReplaceAll(key, ".", "/"))
		if err != nil || len(files) == 0 {
			bad = append(bad, key+" is not known to this kernel")
		}
		for _, file := range files {
			looked++
			b, err := fs.ReadFile(root, file)
			if err != nil {
				bad = append(bad, err.Error())
			} else if got := strings.Join(strings.Fields(string(b)), " "); got != value {
				bad = append(bad, fmt.Sprintf("%s is %q, and should be %q", file, got, value))
			}
		}
	}
	slices.Sort(bad)
	return fmt.Sprintf("%d as they should be", looked), bad, nil
}

// mounts holds when what can be written cannot be executed, and neither devices nor set-id
// bits count there.
func mounts(root fs.FS, _ *runtime.Appliance) (string, []string, error) {
	rows, err := lines(root, "proc/self/mounts", false)
	if err != nil {
		return "", nil, err
	}
	var bad []string
	writable := 0
	for _, f := range rows {
		if len(f) < 4 {
			return "", nil, fmt.Errorf("/proc/self/mounts: not understood: %q", strings.Join(f, " "))
		}
		options := strings.Split(f[3], ",")
		if slices.Contains(options, "ro") {
			continue
		}
		writable++
		need := []string{"nosuid", "nodev", "noexec"}
		if f[2] == "devtmpfs" || f[2] == "devpts" { // device nodes are their purpose
			need = []string{"nosuid", "noexec"}
		}
		for _, o := range need {
			if !slices.Contains(options, o) {
				bad = append(bad, fmt.Sprintf("%s (%s) can be written and is mounted without %s", f[1], f[2], o))
			}
		}
	}
	if len(rows) == 0 {
		return "", nil, fmt.Errorf("/proc/self/mounts is empty")
	}
	return fmt.Sprintf("%d that can be written, none that can be executed", writable), bad, nil
}

// interpreters are programs that run what somebody hands them.
var interpreters = []string{"sh", "bash", "dash", "ash", "busybox", "toybox", "python*", "perl*", "awk", "gawk", "mawk", "lua*", "ruby*", "env", "gdb", "strace",
	"su", "sudo", "login", "ssh", "sshd", "nc", "curl", "wget", "apt*", "dpkg*"}

// programs holds when no file has a set-id bit or may be written by everybody, and nothing is
// there that would serve an intruder as a shell.
func programs(root fs.FS, _ *runtime.Appliance) (string, []string, error) {
	var bad []string
	files := 0
	err := fs.WalkDir(root, "usr", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode()
		switch {
		case mode&(fs.ModeSetuid|fs.ModeSetgid) != 0:
			bad = append(bad, fmt.Sprintf("/%s has a set-id bit", p))
		case mode.Perm()&0o002 != 0:
			bad = append(bad, fmt.Sprintf("/%s may be written by everybody", p))
		}
		if d.IsDir() {
			return nil
		}
		files++
		if dir := path.Dir(p); dir == "usr/bin" || dir == "usr/sbin" {
			for _, pattern := range interpreters {
				if ok, _ := path.Match(pattern, path.Base(p)); ok {
					bad = append(bad, fmt.Sprintf("/%s would serve as a shell", p))
				}
			}
		}
		return nil
	})
	return fmt.Sprintf("%d files, no set-id bit, no shell", files), bad, err
}
