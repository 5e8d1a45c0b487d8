package vm

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

// shellDisk is a disk for the UEFI shell that OVMF carries: it runs
// startup.nsh, so a machine can be booted for real without any kernel.
func shellDisk(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a,b.raw") // a comma separates QEMU's options
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
	if _, err := w.Write([]byte(script)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), fs.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// needQEMU skips where the machine has no QEMU or firmware.
func needQEMU(t *testing.T) {
	t.Helper()
	c := Config{Disk: os.Args[0]}
	if err := c.complete(); err != nil {
		t.Skip(err)
	}
}

func digest(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

func TestBootsUnderUEFI(t *testing.T) {
	needQEMU(t)
	t.Parallel()
	disk := shellDisk(t, "@echo -off\r\necho written > fs0:\\mark.txt\r\necho trunkline: ready name=shell listeners=2 uptime=1.50s\r\n")
	before := digest(t, disk)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var console bytes.Buffer
	m, err := Start(ctx, Config{Disk: disk, MemoryMiB: 256, CPUs: 1, Console: &console})
	if err != nil {
		t.Fatal(err)
	}
	info, err := m.Ready(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != "shell" || info.Listeners != 2 || info.Uptime != 1500*time.Millisecond || info.Wall <= 0 {
		t.Errorf("%+v", info)
	}
	t.Logf("%s, %v from power on", m.Accel(), info.Wall.Round(time.Millisecond))
	stop, cancelStop := context.WithTimeout(ctx, 100*time.Millisecond) // the shell does not power off
	defer cancelStop()
	if err := m.Stop(stop); err != nil {
		t.Error(err)
	}
	if alive(m.PID()) {
		t.Error("QEMU is still there")
	}
	if digest(t, disk) != before {
		t.Error("the disk was written")
	}
	if !bytes.Contains(console.Bytes(), []byte("trunkline: ready")) {
		t.Error("the console was not passed on")
	}
}

func TestEndsWithItsContext(t *testing.T) {
	needQEMU(t)
	ctx, cancel := context.WithCancel(context.Background())
	m, err := Start(ctx, Config{Disk: shellDisk(t, ""), MemoryMiB: 128, CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-m.Done():
	case <-time.After(time.Minute):
		t.Fatal("QEMU goes on after its context")
	}
	if alive(m.PID()) {
		t.Error("QEMU is still there")
	}
}

const helperEnv = "TRUNKLINE_TEST_VM_DISK"

// TestHelperProcess is the process that TestDiesWithItsParent kills.
func TestHelperProcess(t *testing.T) {
	disk := os.Getenv(helperEnv)
	if disk == "" {
		return
	}
	m, err := Start(context.Background(), Config{Disk: disk, MemoryMiB: 128, CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("pid %d\n", m.PID())
	<-m.Done()
}

func TestDiesWithItsParent(t *testing.T) {
	needQEMU(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$")
	cmd.Env = append(os.Environ(), helperEnv+"="+shellDisk(t, ""))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "pid ")))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("QEMU did not run")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for end := time.Now().Add(time.Minute); alive(pid); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("QEMU (pid %d) outlived its parent", pid)
		}
	}
}

// alive says whether a process runs; one that only waits to be reaped does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	return len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

func TestQEMUsOwnErrorIsShown(t *testing.T) {
	needQEMU(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	m, err := Start(ctx, Config{Disk: shellDisk(t, ""), Accel: TCG, NICs: []NIC{{Backend: Tap{Name: "no-such-tap0"}}}, CPUs: 100000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = m.Ready(ctx); err == nil || !strings.Contains(err.Error(), "the virtual machine ended") || !strings.Contains(err.Error(), "CPUs") {
		t.Errorf("error %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "x.raw")
	if err := os.WriteFile(disk, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	fw := Firmware{Code: "code", Vars: "vars"}
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no disk", Config{Disk: disk + "x"}, "no such file"},
		{"directory", Config{Disk: filepath.Dir(disk)}, "not a file"},
		{"MAC", Config{Disk: disk, QEMU: "q", Firmware: fw, NICs: []NIC{{MAC: "zz", Backend: Tap{Name: "t"}}}}, `MAC "zz"`},
		{"backend", Config{Disk: disk, QEMU: "q", Firmware: fw, NICs: []NIC{{}}}, "no network backend"},
		{"tap name", Config{Disk: disk, QEMU: "q", Firmware: fw, NICs: []NIC{{Backend: Tap{Name: "a,b"}}}}, "tap interface name"},
		{"binary", Config{Disk: disk, QEMU: "/no/such/qemu", Firmware: fw}, "starting /no/such/qemu"},
		{"namespace", Config{Disk: disk, QEMU: "q", Firmware: fw, Netns: "/no/such/netns"}, "network namespace"},
	} {
		if _, err := Start(context.Background(), tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestMissingProgramsNamePackages(t *testing.T) {
	if _, err := findFirmware(nil); !errors.Is(err, ErrNoQEMU) || !strings.Contains(err.Error(), "Debian, Ubuntu: ovmf") {
		t.Errorf("firmware: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	c := Config{Disk: os.Args[0]}
	if err := c.complete(); !errors.Is(err, ErrNoQEMU) || !strings.Contains(err.Error(), "qemu-system-x86") {
		t.Errorf("QEMU: %v", err)
	}
}

func TestEmulatedCPULacksCmpxchg16b(t *testing.T) {
	c := Config{Accel: TCG, Firmware: Firmware{"c", "v"}, Disk: "d", MemoryMiB: 1, CPUs: 1}
	args, err := c.args(func(*os.File) int { return 3 }, nil, nil)
	if err != nil || !strings.Contains(strings.Join(args, " "), "-cpu max,-cx16 ") {
		t.Errorf("%v, %v", args, err)
	}
}

// The disk is a snapshot unless it is to be written.
func TestDiskIsWrittenWhenAsked(t *testing.T) {
	for writable, want := range map[bool]string{false: "snapshot=on,file=d", true: "snapshot=off,file=d"} {
		c := Config{Accel: TCG, Firmware: Firmware{"c", "v"}, Disk: "d", MemoryMiB: 1, CPUs: 1, Writable: writable}
		args, err := c.args(func(*os.File) int { return 3 }, nil, nil)
		if err != nil || !strings.Contains(strings.Join(args, " "), want) {
			t.Errorf("%v, %v, want %q", args, err, want)
		}
	}
}

// A machine with Secure Boot guards the variables of its firmware, and only one that may
// restart itself is not ended by it.
func TestSecureBootArguments(t *testing.T) {
	line := func(secure, restarts bool) string {
		c := Config{Accel: TCG, Firmware: Firmware{"c", "v"}, Disk: "d", MemoryMiB: 1, CPUs: 1, SecureBoot: secure, Restarts: restarts}
		args, err := c.args(func(*os.File) int { return 3 }, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(args, " ")
	}
	for _, want := range []string{"-machine q35,smm=on -accel tcg,thread=single ", "-global driver=cfi.pflash01,property=secure,value=on"} {
		if got := line(true, true); !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
		if got := line(false, false); strings.Contains(got, want) {
			t.Errorf("%q in %s", want, got)
		}
	}
	if strings.Contains(line(true, true), "-no-reboot") || !strings.Contains(line(true, false), "-no-reboot") {
		t.Error("-no-reboot does not follow Restarts")
	}
}
