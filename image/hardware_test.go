package image

import (
	"slices"
	"strings"
	"testing"

	"trunkline/image/initrd/modules"
	"trunkline/image/rootfs"
)

func firmwareTree(t *testing.T, files map[string]string) *rootfs.Tree {
	t.Helper()
	tree := rootfs.NewTree()
	for name, text := range files {
		p := firmwareDir + "/" + name
		var err error
		if target, link := strings.CutPrefix(text, "-> "); link {
			err = tree.Symlink(p, target)
		} else {
			err = tree.File(p, 0o644, []byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// What the kept modules ask for stays, with what links lead to; the rest goes.
func TestFirmware(t *testing.T) {
	files := map[string]string{
		"intel/ice/ddp/ice.pkg": "-> ice-1.pkg", "intel/ice/ddp/ice-1.pkg": "data", "intel/ice/ddp/ice-0.pkg": "old",
		"cxgb4/t6fw.bin": "t6", "cxgb4/t6-config.txt": "config", "tigon/tg3.bin.xz": "packed", "wifi/x.ucode": "no",
	}
	sel := []*modules.Module{{Name: "ice", Firmware: []string{"intel/ice/ddp/ice.pkg", "intel/none.bin"}}, {Name: "cxgb4", Firmware: []string{"cxgb4/t6fw.bin"}}, {Name: "tg3", Firmware: []string{"tigon/tg3.bin"}}}
	h := Hardware{Drivers: []Driver{
		{Name: "ice", Modules: []string{"ice"}, Firmware: []string{"intel/ice/ddp/*"}}, // met by what the module asks for
		{Name: "cxgb4", Modules: []string{"cxgb4"}, Firmware: []string{"cxgb4/t?-config.txt"}},
	}}
	tree := firmwareTree(t, files)
	kept, err := h.selectFirmware(tree, sel)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, k := range kept {
		names = append(names, k.Name)
	}
	want := []string{"cxgb4/t6-config.txt", "cxgb4/t6fw.bin", "intel/ice/ddp/ice-1.pkg", "tigon/tg3.bin.xz"}
	if !slices.Equal(names, want) {
		t.Errorf("kept %v, want %v", names, want)
	}
	if tree.Resolve(firmwareDir+"/intel/ice/ddp/ice.pkg") == "" || tree.Get(firmwareDir+"/wifi/x.ucode") != nil || tree.Get(firmwareDir+"/intel/ice/ddp/ice-0.pkg") != nil {
		t.Errorf("left: %v", tree.Under(firmwareDir))
	}
	delete(files, "cxgb4/t6-config.txt")
	if _, err := h.selectFirmware(firmwareTree(t, files), sel); err == nil || !strings.Contains(err.Error(), `driver "cxgb4"`) || !strings.Contains(err.Error(), "trunkline lock") {
		t.Errorf("firmware that is not there: %v", err)
	}
	if kept, err := (Hardware{}).selectFirmware(firmwareTree(t, files), nil); err != nil || kept != nil {
		t.Errorf("nothing asked for: %v, %v", kept, err)
	}
}

func TestMicrocodeOfThePackages(t *testing.T) {
	tree := firmwareTree(t, map[string]string{"amd-ucode/microcode_amd.bin": "first", "amd-ucode/microcode_amd_fam17h.bin": "second", "amd-ucode/README": "no"})
	b, err := Hardware{Microcode: []string{"amd"}}.microcode(tree)
	if err != nil || !strings.Contains(string(b), "firstsecond") || strings.Contains(string(b), "no"+"\x00\x00\x00\x00") {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := (Hardware{Microcode: []string{"amd", "intel"}}).microcode(tree); err == nil || !strings.Contains(err.Error(), "intel-ucode") {
		t.Errorf("no microcode for Intel: %v", err)
	}
	if b, err := (Hardware{}).microcode(tree); b != nil || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// The order that a spec names drivers in makes no other base layer; other drivers do.
func TestHardwareIdentity(t *testing.T) {
	a := Hardware{Drivers: []Driver{{Name: "x", Modules: []string{"x", "y"}}, {Name: "z", Modules: []string{"z"}, Firmware: []string{"z*"}}}, Microcode: []string{"amd"}}
	b := Hardware{Drivers: []Driver{a.Drivers[1], a.Drivers[0], a.Drivers[0]}, Microcode: a.Microcode}
	if a.identity() != b.identity() || a.identity() == (Hardware{Drivers: a.Drivers}).identity() || (Hardware{}).identity() != "" {
		t.Errorf("%q, %q", a.identity(), b.identity())
	}
	r := request(t)
	plain := mustBuild(t, r)
	r.Hardware = Hardware{Drivers: []Driver{{Name: "disk", Modules: []string{"loop"}}}} // built in, in the test's kernel
	r.Console = []string{"ttyS1,9600"}
	other := mustBuild(t, r)
	if other.Base.Digest == plain.Base.Digest || other.Base.Hardware != "module loop" {
		t.Errorf("another machine: %+v", other.Base)
	}
	if img := mustInspect(t, other.UKI.Path); !strings.HasPrefix(img.Cmdline, "console=ttyS1,9600 "+DefaultCmdline) {
		t.Errorf("command line %q", img.Cmdline)
	}
	r.Hardware.Drivers[0].Modules = []string{"unwantet"}
	if _, err := Build(t.Context(), r); err == nil || !strings.Contains(err.Error(), `driver "disk"`) || !strings.Contains(err.Error(), "it has unwanted") {
		t.Errorf("a module that is not there: %v", err)
	}
	r.Console = []string{"ttyS0 init=/x"}
	if _, err := Build(t.Context(), r); err == nil || !strings.Contains(err.Error(), "console") {
		t.Errorf("more than a console: %v", err)
	}
}
