package rootfs

import (
	"path"
	"slices"
	"strings"
)

// programs are the only files of /usr/bin and /usr/sbin that stay: what units and
// the kernel execute. No shell, no login, no package manager, no tool to look
// around with.
var programs = []string{
	"dbus-broker", "dbus-broker-launch", // the system bus
	"e2fsck", "mke2fs", "mkfs.ext4", // the state partition
	"fsck.fat",         // of the EFI system partition, before sbcd mounts it
	"kmod", "modprobe", // the kernel's module autoloader runs /sbin/modprobe
	"mount", "umount", "swapoff", // mount units, shutdown
	"rtpengine",      // media relays on the appliance, where the spec has one
	"systemd-repart", // the state partition
	"systemctl",      // logind's and the emergency unit's way to restart
	"systemd-creds",  // sbcd credentials
	"systemd-tmpfiles",
	"udevadm", // systemd-udev-trigger.service
}

// dropped directories and files, each with all below it. A '*' matches within one
// path element.
var dropped = []string{
	"boot/System.map-*", "boot/config-*",
	"etc/apt", "etc/cron*", "etc/default/rtpengine-daemon", "etc/dhcp", "etc/dpkg", "etc/init.d", "etc/issue", "etc/issue.net", "etc/kernel", "etc/ld.so.conf.d",
	"etc/logrotate.d", "etc/modules-load.d", "etc/motd", "etc/pam.d", "etc/profile.d", "etc/rc*.d", "etc/rtpengine", "etc/skel", "etc/ssh", "etc/update-motd.d", "etc/xdg",
	"etc/ca-certificates*",
	"home", "media", "mnt", "opt", "srv",
	"usr/games", "usr/include", "usr/local", "usr/src",
	"usr/lib/*/audit",
	"usr/lib/*/cryptsetup",
	"usr/lib/*/gconv", // conversions nothing here asks glibc for
	"usr/lib/dracut", "usr/lib/environment.d", "usr/lib/initcpio", "usr/lib/kernel", "usr/lib/lsb", "usr/lib/pcrlock.d",
	"usr/lib/systemd/boot/efi/*ia32*", "usr/lib/systemd/boot/efi/*aa64*",
	"usr/lib/systemd/catalog", "usr/lib/systemd/profile.d", "usr/lib/systemd/ssh_config.d",
	"usr/lib/systemd/system-environment-generators",
	// Generators write units from what they find on the machine: consoles to log in
	// on, partitions to mount, commands on the kernel command line. An appliance
	// runs what was reviewed.
	"usr/lib/systemd/system-generators", "usr/lib/systemd/systemd-sysroot-fstab-check",
	"usr/lib/systemd/user", "usr/lib/systemd/user-*", "usr/lib/systemd/user.conf.d",
	"usr/lib/sysctl.d/README*", "usr/lib/tmpfiles.d/README*", "usr/lib/sysusers.d/README*",
	"usr/lib/tmpfiles.d/*-shell-extra.conf", "usr/lib/tmpfiles.d/*-ssh-generator.conf",
	"usr/lib/tmpfiles.d/home.conf", "usr/lib/tmpfiles.d/legacy.conf", "usr/lib/tmpfiles.d/provision.conf", "usr/lib/tmpfiles.d/x11.conf",
	"usr/lib/udev/hwdb.d", // useful only compiled, and compiled by a postinst
	"usr/lib/valgrind",
	"usr/share/applications", "usr/share/apport", "usr/share/bash-completion", "usr/share/bug", "usr/share/doc-base",
	"usr/share/factory", "usr/share/fish", "usr/share/gdb", "usr/share/icons", "usr/share/info", "usr/share/initramfs-tools", "usr/share/lintian",
	"usr/share/locale", "usr/share/man", "usr/share/menu", "usr/share/mime", "usr/share/perl5", "usr/share/pixmaps", "usr/share/pkgconfig",
	"usr/share/polkit-1", "usr/share/systemd", "usr/share/xml", "usr/share/zsh",
	"var", // a tmpfs; systemd-tmpfiles makes what belongs there
}

// droppedUnits are units that have no work on an appliance: logins, first boot,
// persistent state, sleep, hardware that is not there. Each stands for its drop-in
// directory too; links to them go as well.
var droppedUnits = []string{
	"*getty*", "autovt@*", "debug-shell.*", "rescue.*", "user@*", "user-runtime-dir@*", "systemd-user-sessions.*",
	"systemd-ask-password-*", "systemd-firstboot.*", "initrd*", "systemd-journalctl*",
	"systemd-sysusers.*", "ldconfig.*", "systemd-update-done.*", "systemd-hwdb-update.*", "systemd-journal-catalog-update.*",
	"systemd-journal-flush.*", "systemd-machine-id-commit.*", "systemd-random-seed.*", "systemd-pstore.*",
	"systemd-binfmt.*", "proc-sys-fs-binfmt_misc.*", "sys-fs-fuse-connections.*",
	"systemd-pcr*", "systemd-tpm2-*", "systemd-creds*",
	"systemd-backlight@*", "systemd-rfkill.*", "systemd-battery-check.*", "systemd-bsod.*", "systemd-storagetm.*", "storage-target-mode.*",
	"hibernate.*", "hybrid-sleep.*", "sleep.*", "suspend*", "systemd-hibernate*", "systemd-hybrid-sleep.*", "systemd-suspend*",
	"systemd-networkd-persistent-storage.*",
	"sys-kernel-debug.*", "sys-kernel-tracing.*", "dev-mqueue.*", "run-lock.*",
	"systemd-fsck*", "systemd-growfs*", "systemd-quotacheck*", "quotaon*", "systemd-remount-fs.*", "systemd-volatile-root.*",
	"systemd-sysext*", "systemd-confext*", "systemd-initctl.*", "system-update*", "systemd-boot-check-no-failures.*",
	"systemd-hostnamed.*", "systemd-localed.*", "systemd-timedated.*",
	"dbus-org.freedesktop.hostname1.*", "dbus-org.freedesktop.locale1.*", "dbus-org.freedesktop.timedate1.*",
	"cryptdisks*", "hwclock.*", "rc-local.*", "runlevel*", "rpcbind.*", "x11-common.*", "ssh-access.*", "procps.*", "udev.service", "kmod.service",
	"emergency.service", // ours restarts the machine
	"rtpengine*",        // ours runs one for each relay of the spec, in a sandbox
}

const unitDir = "usr/lib/systemd/system"

// Keep reports whether a package's file belongs in the image (or is read by the
// build: kernel, stub and boot loader, which later steps take out again).
func Keep(p string) bool {
	if dir, name := path.Split(p); dir == "usr/bin/" || dir == "usr/sbin/" {
		return slices.Contains(programs, name)
	}
	if strings.HasPrefix(p, "usr/share/doc/") { // licences stay: they must travel with the programs
		// What lies right below is a link to the directory of another package.
		return path.Base(p) == "copyright" || path.Dir(p) == "usr/share/doc"
	}
	if matchesAny(dropped, p) {
		return false
	}
	if rest, ok := strings.CutPrefix(p, unitDir+"/"); ok {
		return !matchesAny(droppedUnits, rest) && !matchesAny(droppedUnits, path.Base(p))
	}
	return true
}

// matchesAny reports whether p or one of its parents matches a pattern.
func matchesAny(patterns []string, p string) bool {
	for ; p != "." && p != "/" && p != ""; p = path.Dir(p) {
		if slices.ContainsFunc(patterns, func(pat string) bool {
			ok, _ := path.Match(pat, p)
			return ok
		}) {
			return true
		}
	}
	return false
}

// sweep removes what pruning left behind: links of unit directories to units that
// are gone, empty directories of dropped things.
func (t *Tree) sweep() {
	for _, p := range t.Paths() {
		n := t.nodes[p]
		if n == nil {
			continue
		}
		if n.Kind == Directory && matchesAny(dropped, p) {
			t.Remove(p)
			continue
		}
		if n.Kind == Symlink && strings.HasPrefix(p, unitDir+"/") && n.Link != "/dev/null" && t.Resolve(p) == "" {
			t.Remove(p)
		}
	}
	paths := t.Paths()
	for _, p := range slices.Backward(paths) {
		if strings.HasPrefix(p, unitDir+"/") || strings.HasPrefix(p, "usr/share/doc/") {
			if n := t.nodes[p]; n != nil && n.Kind == Directory && len(t.Under(p)) == 0 {
				t.Remove(p)
			}
		}
	}
}
