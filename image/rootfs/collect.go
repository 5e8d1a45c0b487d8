package rootfs

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// Boot is what the packages bring for the boot chain. It is taken out of the
// tree: the root image needs none of it.
type Boot struct {
	Kernel  []byte // bzImage
	Release string // as uname -r prints it
	Stub    []byte // systemd's UEFI stub
	Loader  []byte // systemd-boot
}

// Collect makes the tree of the root image from packages and the sbcd executable.
// Kernel modules are all there still; selecting them is the caller's next step.
func Collect(ctx context.Context, pkgs []Package, sbcd []byte) (*Tree, Boot, error) {
	t, err := Unpack(ctx, pkgs, Keep)
	if err != nil {
		return nil, Boot{}, err
	}
	boot, err := t.takeBoot()
	if err != nil {
		return nil, Boot{}, err
	}
	t.sweep()
	if err := t.addOwn(); err != nil {
		return nil, Boot{}, err
	}
	if err := t.File("usr/bin/sbcd", 0o755, sbcd); err != nil {
		return nil, Boot{}, err
	}
	if err := t.File("usr/lib/os-release", 0o644, []byte(OSRelease())); err != nil {
		return nil, Boot{}, err
	}
	if err := t.Symlink("etc/os-release", "../usr/lib/os-release"); err != nil {
		return nil, Boot{}, err
	}
	if err := t.Symlink(enabledDir+"/default.target", "/"+unitDir+"/multi-user.target"); err != nil {
		return nil, Boot{}, err
	}
	for _, step := range []func() error{
		t.applyAccounts, t.applyTmpfiles, t.bundleCertificates,
		func() error { return t.Enable(Enabled...) },
		t.mountPoints,
	} {
		if err := step(); err != nil {
			return nil, Boot{}, err
		}
	}
	return t, boot, nil
}

// mountPoints makes the directories that file systems are mounted on: a read-only
// root cannot make them later.
func (t *Tree) mountPoints() error {
	for _, d := range []string{"dev", "proc", "run", "sys", "tmp", "var"} {
		if err := t.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	return t.Mkdir("root", 0o700)
}

// takeBoot moves kernel, stub and boot loader out of the tree.
func (t *Tree) takeBoot() (Boot, error) {
	const efi = "usr/lib/systemd/boot"
	var b Boot
	kernels := t.Glob("boot/vmlinuz-*")
	if len(kernels) != 1 {
		return b, fmt.Errorf("the profile must have exactly one kernel, not %d (%s)", len(kernels), strings.Join(kernels, ", "))
	}
	b.Kernel = t.nodes[kernels[0]].Data
	b.Release = strings.TrimPrefix(path.Base(kernels[0]), "vmlinuz-")
	for _, f := range []struct {
		name string
		to   *[]byte
	}{{"linuxx64.efi.stub", &b.Stub}, {"systemd-bootx64.efi", &b.Loader}} {
		n := t.nodes[efi+"/efi/"+f.name]
		if n == nil || n.Kind != Regular {
			return b, fmt.Errorf("no package brings /%s/efi/%s: the profile needs systemd-boot-efi", efi, f.name)
		}
		*f.to = n.Data
	}
	t.Remove("boot")
	t.Remove(efi)
	return b, nil
}
