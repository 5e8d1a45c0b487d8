package update

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/image/vm"
	"trunkline/image/vm/netlab"
	"trunkline/image/vm/testcall"
)

// Of the example spec and of those around it.
const (
	appliance = "edge-fra1"
	gateway   = "203.0.113.1" // our end of the tap
	carrier   = "198.51.100.10:5068"
	listener  = "203.0.113.10:5060"
	number    = "+4930123456" // of a route of the spec
	mac       = "52:54:00:12:34:56"
	tap       = "tap0"
)

var gateways = []netip.AddrPort{netip.MustParseAddrPort("10.0.0.11:5060"), netip.MustParseAddrPort("10.0.0.12:5060")}

// within bounds what a machine does under software emulation on a busy host.
const within = 45 * time.Minute

// rig is a disk, and the network of the machine that boots it.
type rig struct {
	t       *testing.T
	lab     *netlab.Lab
	answers *testcall.Destinations
	disk    string
	clock   time.Time // the machine's when it starts; zero: ours
	writes  string    // file for the log of what the machine writes (package writelog); empty: none
	// asked is told what the appliance asks the server for; may be nil.
	asked func(path string)
}

// environment are the directories of programs and of built images.
func environment(t *testing.T) (bin, out string) {
	t.Helper()
	bin, out = os.Getenv("TRUNKLINE_BIN"), os.Getenv("TRUNKLINE_OUT")
	if bin == "" || out == "" {
		t.Skip("TRUNKLINE_BIN and TRUNKLINE_OUT are not set: run `make e2e-update`, which builds the image and sets them")
	}
	return bin, out
}

// rigs counts them, so that each has a network of its own.
var rigs atomic.Int64

// newRig copies a disk and makes the network, with both gateways up.
func newRig(t *testing.T, disk string) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	lab, err := netlab.New(fmt.Sprintf("trunkline-update-%d-%d", os.Getpid(), rigs.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := lab.Tap(tap, netip.MustParsePrefix(gateway+"/27")); err != nil {
		t.Fatal(err)
	}
	for _, a := range append([]netip.AddrPort{netip.MustParseAddrPort(carrier)}, gateways...) {
		if err := lab.Address("lo", netip.PrefixFrom(a.Addr(), 32)); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{t: t, lab: lab, disk: filepath.Join(t.TempDir(), "disk.raw")}
	run(t, "cp", "--sparse=always", disk, r.disk)
	if r.answers, err = testcall.Answer(r, gateways); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.answers.Close)
	return r
}

// ListenPacket opens a socket in the namespace; it makes the rig a testcall.Network.
func (r *rig) ListenPacket(at netip.AddrPort) (conn net.PacketConn, err error) {
	doErr := r.lab.Do(func() error {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return nil
	})
	if doErr != nil {
		return nil, doErr
	}
	return conn, err
}

// boot starts the disk as it is; what the guest writes stays on it. The machine has one CPU: without
// KVM, QEMU runs all those of a guest in turns of a tenth of a second, and one that waits for another
// uses its turn up. On a busy host a boot with two took minutes.
func (r *rig) boot() *vm.VM {
	r.t.Helper()
	m, err := vm.Start(context.Background(), vm.Config{
		Disk: r.disk, MemoryMiB: 1024, CPUs: 1, Netns: r.lab.Path(), Writable: true, WriteLog: r.writes, Restarts: true, Clock: r.clock,
		NICs: []vm.NIC{{MAC: mac, Backend: vm.Tap{Name: tap}}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if r.t.Failed() {
			r.t.Logf("console:\n%s", m.ConsoleTail(200))
		}
		_ = m.Kill() // it may have ended
	})
	return m
}

// stop has the machine power off by itself.
func (r *rig) stop(m *vm.VM) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		r.t.Errorf("stopping the machine: %v", err)
	}
}

// unbootable is what the boot loader, and the firmware's shell after it, say of a disk that has
// nothing to boot.
var unbootable = regexp.MustCompile(`No loader found.*|Shell> `)

// says waits for a line on the console; what it says of refusals in between is expected.
func (r *rig) says(m *vm.VM, want string) string {
	r.t.Helper()
	re := regexp.MustCompile(want)
	end := time.After(within)
	for {
		text := m.ConsoleTail(20000)
		if line := re.FindString(text); line != "" {
			return line
		}
		if line := unbootable.FindString(text); line != "" {
			r.t.Fatalf("nothing boots: %s", line)
		}
		select {
		case <-end:
			r.t.Fatalf("the console does not say %q", want)
		case <-m.Done():
			r.t.Fatalf("the machine ended before the console said %q: %v", want, m.Err())
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// call places a call through the appliance.
func (r *rig) call(when string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := testcall.Place(ctx, r, testcall.Call{
		From: netip.MustParseAddrPort(carrier), To: netip.MustParseAddrPort(listener), User: number,
	}, r.answers)
	if err != nil {
		r.t.Errorf("%s: %v", when, err)
	}
}

// esp is the EFI system partition of the disk as mtools wants it named.
func (r *rig) esp() string { return r.disk + "@@1M" }

// images lists the files of the images' directory.
func (r *rig) images() []string {
	r.t.Helper()
	out := strings.Fields(run(r.t, "mdir", "-b", "-i", r.esp(), "::/EFI/Linux"))
	for i, f := range out {
		out[i] = strings.TrimPrefix(f, "::/EFI/Linux/")
	}
	slices.Sort(out)
	return out
}

// file reads a file of the EFI system partition.
func (r *rig) file(name string) []byte {
	r.t.Helper()
	to := filepath.Join(filepath.Dir(r.disk), "file")
	run(r.t, "mcopy", "-n", "-o", "-i", r.esp(), "::/"+name, to)
	b, err := os.ReadFile(to)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// directories tells the clusters of the directories that an appliance writes to.
func (r *rig) directories() string {
	r.t.Helper()
	return run(r.t, "mshowfat", "-i", r.esp(), "::/EFI/Linux", "::/loader")
}

// install puts an image on the disk by hand, to be tried a few times.
func (r *rig) install(efi, file string) {
	r.t.Helper()
	run(r.t, "mcopy", "-i", r.esp(), efi, "::/EFI/Linux/"+file)
}

// build builds the example with a change and returns the directory of its image.
func build(t *testing.T, bin, version string, change func(name, text string) string) string {
	t.Helper()
	dir := t.TempDir()
	spec := filepath.Join(dir, "spec")
	if err := os.CopyFS(spec, os.DirFS("../../../appliance/examples/"+appliance)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(spec, "*.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, []byte(change(filepath.Base(f), string(b))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, filepath.Join(bin, "trunkline"), "build", spec, "-o", dir, "--image-version", version)
	return filepath.Join(dir, appliance)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// enlarge gives the disk more room, MiB.
func (r *rig) enlarge(by int64) {
	r.t.Helper()
	st, err := os.Stat(r.disk)
	if err == nil {
		err = os.Truncate(r.disk, st.Size()+by<<20)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

var stateLine = regexp.MustCompile(`trunkline: state partition of ([0-9]+) MiB`)

// stateSize is what the machine said last of its state partition, MiB.
func (r *rig) stateSize(m *vm.VM) int {
	r.t.Helper()
	said := stateLine.FindAllStringSubmatch(m.ConsoleTail(20000), -1)
	if len(said) == 0 {
		r.t.Error("the console does not speak of a state partition")
		return 0
	}
	n, err := strconv.Atoi(said[len(said)-1][1])
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

var firstSector = regexp.MustCompile(`First sector: ([0-9]+)`)

// state is the state partition as the programs of e2fsprogs want it named.
func (r *rig) state() string {
	r.t.Helper()
	said := firstSector.FindStringSubmatch(run(r.t, "sgdisk", "-i", "2", r.disk))
	if said == nil {
		r.t.Fatal("the disk has no second partition")
	}
	n, err := strconv.ParseInt(said[1], 10, 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("%s?offset=%d", r.disk, n*512)
}

// keep puts a file on the state partition, from outside.
func (r *rig) keep(name, content string) {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	run(r.t, "debugfs", "-w", "-R", "write "+file+" "+name, r.state())
}

func (r *rig) kept(name string) string {
	r.t.Helper()
	out, err := exec.Command("debugfs", "-R", "cat "+name, r.state()).Output()
	if err != nil {
		r.t.Error(err)
	}
	return string(out)
}
