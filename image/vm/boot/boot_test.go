package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"

	"trunkline/image/vm"
)

// shellDisk is a disk on which OVMF's own shell says it is the appliance: the
// boot is real, without any kernel. ci/e2e runs the true image.
func shellDisk(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shell.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 48 << 20
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	fs, err := fat32.Create(file.New(f, false), size, 0, 512, "TEST", true)
	if err != nil {
		t.Fatal(err)
	}
	w, err := fs.OpenFile("/startup.nsh", os.O_CREATE|os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("@echo -off\r\necho trunkline: Secure Boot off, kernel lockdown none\r\necho trunkline: ready name=shell listeners=1 uptime=2.25s\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), fs.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHeadless(t *testing.T) {
	if _, err := vm.FindFirmware(); err != nil {
		t.Skip(err)
	}
	disk := shellDisk(t)
	for _, tt := range []struct {
		name, want string
		secure     bool
	}{
		{"shell", "shell is ready: 1 listeners, 2.25 s from kernel start to READY", false},
		{"edge-fra1", `is the disk of appliance "shell", not of "edge-fra1"`, false},
		{"shell", "shell.raw brings no keys to enrol, so the firmware let it start unchecked", true},
	} {
		t.Run(fmt.Sprintf("%s, Secure Boot %v", tt.name, tt.secure), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			var out bytes.Buffer
			res, err := Run(ctx, Options{Name: tt.name, Disk: disk, MemoryMiB: 256, CPUs: 1, Headless: true, Out: &out, SecureBoot: tt.secure})
			if errors.Is(err, vm.ErrNoQEMU) {
				t.Skip(err)
			}
			text := out.String()
			if err != nil {
				text += err.Error()
			}
			if !strings.Contains(text, tt.want) || (err == nil) != (tt.name == "shell" && !tt.secure) {
				t.Errorf("%v\n%s", err, text)
			}
			if res.Ready.Uptime != 2250*time.Millisecond {
				t.Errorf("result %+v", res)
			}
		})
	}
}

func TestBadInputStartsNothing(t *testing.T) {
	nic := NIC{Name: "wan", Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.10/27")}}
	ap := netip.MustParseAddrPort
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"MAC", Options{NICs: []NIC{{Name: "wan", MAC: "no"}}}, "NIC wan"},
		{"forward to nobody", Options{NICs: []NIC{nic}, Forwards: []Forward{{
			Listener: "carrier-a", Host: ap("127.0.0.1:0"), Guest: ap("203.0.113.9:5060"), As: netip.MustParseAddr("198.51.100.1"),
		}}}, "listener carrier-a"},
		{"destination is the appliance", Options{NICs: []NIC{nic}, Call: &Call{
			Destinations: []netip.AddrPort{ap("203.0.113.10:5060")},
		}}, "guest's own"},
		{"no disk", Options{NICs: []NIC{nic}, Disk: "/no/such.raw"}, "no such file"},
	} {
		if _, err := Run(context.Background(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestSourceIn(t *testing.T) {
	prefixes := func(s ...string) (out []netip.Prefix) {
		for _, p := range s {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	v4, v6 := netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")
	for _, tt := range []struct {
		sources, taken []netip.Prefix
		like           netip.Addr
		want           string
	}{
		{prefixes("198.51.100.0/24"), nil, v4, "198.51.100.1"},
		{prefixes("198.51.100.0/24"), prefixes("198.51.100.1/24"), v4, "198.51.100.2"},
		{prefixes("198.51.100.7/32"), nil, v4, "198.51.100.7"},
		{prefixes("198.51.100.6/31"), nil, v4, "198.51.100.6"},
		{prefixes("198.51.100.7/32", "192.0.2.0/30"), prefixes("198.51.100.7/32"), v4, "192.0.2.1"},
		{prefixes("0.0.0.0/0", "::/0"), nil, v6, "2001:db8::1"},
		{prefixes("0.0.0.0/0"), nil, v4, "198.51.100.1"},
		{prefixes("2001:db8:1::/64"), nil, v4, ""},
		{nil, nil, v4, ""},
	} {
		got, ok := SourceIn(tt.sources, tt.like, tt.taken)
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("SourceIn(%v, %v, %v) = %v, %v; want %q", tt.sources, tt.like, tt.taken, got, ok, tt.want)
		}
	}
}
