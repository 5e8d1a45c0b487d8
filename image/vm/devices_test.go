package vm

import (
	"os"
	"strings"
	"testing"
)

// A machine of bare metal has nothing of a hypervisor's.
func TestDevicesOfBareMetal(t *testing.T) {
	c := Config{Accel: TCG, Firmware: Firmware{"c", "v"}, Disk: "d", MemoryMiB: 1, CPUs: 1, Bus: AHCI,
		Blanks: []Blank{{NVMe, 1 << 30}}, NICs: []NIC{{MAC: "52:54:00:12:34:60", Model: "e1000e", Backend: Tap{"t0"}}}}
	args, err := c.args(func(*os.File) int { return 3 }, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Join(args, " ")
	for _, want := range []string{"-device ide-hd,drive=disk,bootindex=0", "node-name=blank0,size=1073741824", "-device nvme,drive=blank0,serial=blank0", "-device e1000e,romfile=,netdev=n0,mac=52:54:00:12:34:60"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
	if strings.Contains(line, "virtio") {
		t.Errorf("virtio in %s", line)
	}
	if c.Blanks[0].Bus = "floppy"; true {
		if _, err := c.args(func(*os.File) int { return 3 }, nil, nil); err == nil {
			t.Error("a bus that is none was taken")
		}
	}
}

// Unless the machine counts as the planned one, the appliance is told that it does not.
func TestMismatchCredential(t *testing.T) {
	own := map[string][]byte{"a": []byte("x")}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "warn"}, {Config{Credentials: own}, "warn"}, {Config{AsPlanned: true}, ""},
		{Config{Credentials: map[string][]byte{MismatchCredential: []byte("refuse")}}, "refuse"},
	} {
		if got := string(c.cfg.credentials()[MismatchCredential]); got != c.want {
			t.Errorf("%+v: %q, want %q", c.cfg, got, c.want)
		}
	}
	if len(own) != 1 {
		t.Error("the caller's map was changed")
	}
}
