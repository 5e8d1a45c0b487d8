package debian

import "fmt"

// Profile says which packages a base layer is made of.
type Profile struct {
	Name         string
	Suite        string // codename
	Architecture string
	Seeds        []string    // wanted by name; their dependencies follow
	Exclude      []Exclusion // never taken, and dependencies on them count as met
}

// An Exclusion keeps a package (or virtual package) out although something
// depends on it.
type Exclusion struct {
	Name   string
	Reason string // why the image does without it
}

// Profiles lists the profiles by name.
func Profiles() []string { return []string{"vm", "baremetal"} }

// ProfileByName returns a profile.
func ProfileByName(name string) (Profile, error) {
	switch name {
	case "vm":
		return profile(name, "linux-image-cloud-amd64"), nil
	case "baremetal":
		return profile(name, "linux-image-amd64"), nil
	}
	return Profile{}, fmt.Errorf("no image profile %q: hardware.platform must be one of %q", name, Profiles())
}

// profile is what every profile has, and its own packages. No maintainer script
// runs and no shell is kept, so what packages need for those alone stays out.
func profile(name string, own ...string) Profile {
	return Profile{
		Name:         name,
		Suite:        "trixie",
		Architecture: "amd64",
		Seeds: append([]string{
			"base-files", // os-release, the directory skeleton
			"ca-certificates",
			"dbus-broker", // networkd and PID 1 answer over it
			"kmod",
			"libnss-myhostname",
			"netbase", // /etc/protocols, /etc/services
			"systemd",
			"systemd-boot-efi",  // boot loader and UKI stub
			"systemd-timesyncd", // started where the spec names time servers, and nowhere else
			"udev",
		}, own...),
		Exclude: []Exclusion{
			{"awk", "base-files wants it for its postinst"},
			{"debconf", "configuration of maintainer scripts"},
			{"debconf-2.0", "configuration of maintainer scripts"},
			{"init-system-helpers", "used by maintainer scripts"},
			{"initramfs-tools", "the initrd is ours"},
			{"linux-base", "links of /boot, made by maintainer scripts"},
			{"linux-initramfs-tool", "the initrd is ours"},
			{"openssl", "ca-certificates wants it for its postinst"},
			{"systemd-sysv", "init is executed by path; no telinit, no runlevels"},
		},
	}
}
