package debian

import (
	"fmt"
	"slices"
)

// Profile says which packages a base layer is made of.
type Profile struct {
	Name         string
	Suite        string // codename
	Architecture string
	Seeds        []string    // wanted by name; their dependencies follow
	Exclude      []Exclusion // never taken, and dependencies on them count as met

	// Hardware are the packages that the machine asks for beside the seeds (With), and
	// Components the parts of the archive that packages come from beside main.
	Hardware   []string
	Components []string
	// Without are packages never taken for those of Hardware, sorted.
	Without []string
}

// An Extra is a package that some machine or spec asks for: firmware, microcode, rtpengine.
type Extra struct {
	Name      string
	Component string // of the archive; empty: main
}

// With returns the profile for a machine, or for several, that ask for packages of
// their own. A component is named only where one of them comes from it.
func (p Profile) With(extras []Extra) Profile {
	p.Hardware, p.Components, p.Without = nil, nil, nil
	for _, x := range extras {
		p.Hardware = append(p.Hardware, x.Name)
		for _, no := range apart[x.Name] {
			p.Without = append(p.Without, no.Name)
		}
		if x.Component != "" && x.Component != mainComponent {
			p.Components = append(p.Components, x.Component)
		}
	}
	slices.Sort(p.Hardware)
	slices.Sort(p.Components)
	slices.Sort(p.Without)
	p.Hardware, p.Components, p.Without = slices.Compact(p.Hardware), slices.Compact(p.Components), slices.Compact(p.Without)
	return p
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
		p := profile(name, "linux-image-amd64")
		p.Exclude = append(p.Exclude, Exclusion{"iucode-tool", "intel-microcode wants it for its postinst; the build writes the microcode"})
		return p, nil
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
			"e2fsprogs", "systemd-repart", // the state partition
			"dosfstools",  // FAT has no journal: what a power cut left on the ESP is mended
			"dbus-broker", // networkd and PID 1 answer over it
			"kmod",
			"libnss-myhostname",
			"libtss2-esys-3.0.2-0t64", "libtss2-rc0t64", "libtss2-tcti-device0t64", // systemd opens credentials with the TPM through them, when they are there
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
			{"logsave", "e2fsprogs wants it for scripts of another init"},
			{"initramfs-tools", "the initrd is ours"},
			{"libtss2-tcti-cmd0t64", "libtss2-esys wants all ways to a TPM: a program's"},
			{"libtss2-tcti-mssim0t64", "a simulated TPM's"},
			{"libtss2-tcti-swtpm0t64", "an emulated TPM's, from outside of a machine"},
			{"linux-base", "links of /boot, made by maintainer scripts"},
			{"linux-initramfs-tool", "the initrd is ours"},
			{"openssl", "ca-certificates wants it for its postinst"},
			{"tpm-udev", "the TPM is for root, who needs no rule and no group"},
			{"systemd-sysv", "init is executed by path; no telinit, no runlevels"},
		},
	}
}

// apart are the extra packages that only images of specs which ask for them have, with what
// they bring (of the others, firmware and microcode, an image takes the files that its machine
// needs), and what each asks for and the image does without. rtpengine is linked with all
// libraries it lists, and those with theirs, so that only files no loader asks for can stay out.
var apart = map[string][]Exclusion{
	"rtpengine-daemon": {
		{"adduser", "makes the user in a postinst; sysusers.d makes it here"},
		{"fontconfig", "rebuilds a cache of fonts; there are none, and no text is drawn"},
		{"fontconfig-config", "fonts, and where they are"},
		{"libdrm-common", "names of graphics cards"},
		{"libgdk-pixbuf2.0-common", "translations"},
		{"libjson-glib-1.0-common", "translations"},
		{"libsasl2-modules-db", "passwords of SASL in a file; nothing here signs in"},
		{"libthai-data", "dictionary of Thai line breaks"},
		{"libx11-data", "locales of X11; there is no display"},
		{"libzvbi-common", "translations"},
		{"mariadb-common", "configuration of a database client that is not used"},
		{"shared-mime-info", "types of files by name"},
	},
}
