package boot

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline/image/inspect"
	"trunkline/image/vm"
)

// maxMemory bounds what the booted appliance has in use when it is ready, before the first
// call, bytes: kernel, root image, services, and the proxy with the state it has set aside.
const maxMemory = 250 << 20

// bootWithin bounds a boot under software emulation on a busy machine, where a guest with two CPUs
// may wait minutes for itself: each has one.
const bootWithin = 15 * time.Minute

// programs is the directory of the programs under test.
func programs(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	return bin
}

// boot starts the disk behind the network's tap; the console goes to a file whose
// end is logged when the test fails.
func (n *network) boot(disk string) *vm.VM {
	n.t.Helper()
	return n.bootWith(disk, nil)
}

// bootWith also hands the machine credentials.
func (n *network) bootWith(disk string, credentials map[string][]byte) *vm.VM {
	n.t.Helper()
	console, err := os.Create(filepath.Join(n.t.TempDir(), "console.log"))
	if err != nil {
		n.t.Fatal(err)
	}
	m, err := vm.Start(context.Background(), vm.Config{
		Disk: disk, MemoryMiB: 1024, CPUs: 1, Console: console, Netns: n.lab.Path(), Credentials: credentials,
		NICs: []vm.NIC{{MAC: mac, Backend: vm.Tap{Name: tap}}},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := m.Stop(ctx); err != nil {
			n.t.Logf("stopping the machine: %v", err)
		}
		if n.t.Failed() {
			n.t.Logf("console:\n%s", m.ConsoleTail(120))
		}
		console.Close()
	})
	return m
}

func TestCallsThroughTheBootedImage(t *testing.T) {
	out := os.Getenv("TRUNKLINE_OUT")
	if out == "" {
		t.Skip("TRUNKLINE_OUT is not set: run `make e2e`, which builds the image and sets it")
	}
	n := newNetwork(t)
	// Both gateways are up before the appliance, as they would be.
	gw1 := n.sipp("uas_call", fs1, "-timeout", "15m")
	gw2 := n.sipp("uas_call", fs2, "-timeout", "15m")
	m := n.bootWith(filepath.Join(out, "edge-fra1/edge-fra1.raw"), map[string][]byte{"trunkline.audit": []byte("yes")})
	ctx, cancel := context.WithTimeout(context.Background(), bootWithin)
	defer cancel()
	ready, err := m.Ready(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready: kernel to READY=1 in %.1f s, power-on to READY=1 in %.1f s (%s)", ready.Uptime.Seconds(), ready.Wall.Seconds(), m.Accel())
	t.Logf("ready: %.0f MiB of memory in use", float64(ready.Memory)/(1<<20))
	if ready.Memory == 0 || ready.Memory >= maxMemory {
		t.Errorf("%d bytes of memory are in use, the bound is %d", ready.Memory, maxMemory)
	}
	if ready.Name != "edge-fra1" || ready.Listeners != 2 {
		t.Errorf("ready says %+v", ready)
	}
	// The appliance knows its image by the name the file gives itself.
	if img, err := inspect.Open(filepath.Join(out, "edge-fra1/edge-fra1.raw")); err != nil || ready.Image == "" || img.Digest != ready.Image {
		t.Errorf("booted image %q, the disk's is %+v (%v)", ready.Image, img, err)
	}

	t.Run("what is open, writable and executable is what should be", func(t *testing.T) {
		// Each check has a line of its own; one that fails names what is wrong.
		if err := waitConsole(ctx, m, regexp.MustCompile(`trunkline: audit: all \d+ checks hold|audit: \d+ of \d+ checks failed`)); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(m.ConsoleTail(1000)) {
			if strings.Contains(line, "trunkline: audit: ") {
				t.Log(strings.TrimSpace(line))
			}
			if strings.Contains(line, "audit: ") && strings.Contains(strings.ToLower(line), "failed") {
				t.Error("the audit found something")
			}
		}
	})
	t.Run("200 calls, none failed", func(t *testing.T) {
		caller := n.sipp("uac_load", carrier, "-m", "200", "-r", "20", "-timeout", "90s", "-timeout_error", listener+":5060")
		if ok, failed := caller.calls(2 * time.Minute); ok != 200 || failed != 0 {
			t.Errorf("%d calls succeeded, %d failed", ok, failed)
		}
	})
	t.Run("a stranger gets nothing", func(t *testing.T) {
		for _, to := range []string{listener + ":5060", coreSide + ":5060", listener + ":22", listener + ":5061"} {
			if got := n.ask(stranger, to); got != "" {
				t.Errorf("%s answered a stranger: %q", to, got)
			}
		}
		// The same question from a source of the listener is answered.
		if got := n.ask(carrier, listener+":5060"); !strings.HasPrefix(got, "SIP/2.0 200 ") {
			t.Errorf("the carrier's OPTIONS got %q", got)
		}
		// And a source of one listener is a stranger to the other.
		if got := n.ask(carrier, coreSide+":5060"); got != "" {
			t.Errorf("the carrier reached the inner listener: %q", got)
		}
	})
	t.Run("no TCP port is open", func(t *testing.T) {
		for _, port := range []int{22, 80, 111, 443, 5060, 5355} {
			if err := n.dial(carrier, fmt.Sprintf("%s:%d", listener, port)); err == nil {
				t.Errorf("TCP port %d accepts connections", port)
			}
		}
	})
	t.Run("200 calls with one of two gateways dead, none failed", func(t *testing.T) {
		gw2.kill()
		caller := n.sipp("uac_load", carrier, "-m", "200", "-r", "20", "-timeout", "120s", "-timeout_error", listener+":5060")
		if ok, failed := caller.calls(3 * time.Minute); ok != 200 || failed != 0 {
			t.Errorf("%d calls succeeded, %d failed", ok, failed)
		}
	})
	gw1.kill()
}

// inside runs f in the namespace.
func (n *network) inside(f func()) {
	n.t.Helper()
	if err := n.lab.Do(func() error { f(); return nil }); err != nil {
		n.t.Fatal(err)
	}
}

// ask sends an OPTIONS from an address and returns the first line of the answer,
// an error of the network (an ICMP answer), or nothing after two seconds.
func (n *network) ask(from, to string) (answer string) {
	n.t.Helper()
	n.inside(func() {
		c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from), Port: 5070}}).Dial("udp", to)
		if err != nil {
			answer = err.Error()
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s:5070;branch=z9hG4bKask%d\r\nMax-Forwards: 70\r\n"+
			"From: <sip:%s>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: %d@ask\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
			to, from, time.Now().UnixNano(), from, to, time.Now().UnixNano())
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		line, err := bufio.NewReaderSize(c, 65536).ReadString('\n')
		if err != nil {
			if e, ok := err.(net.Error); !ok || !e.Timeout() {
				answer = err.Error()
			}
			return
		}
		answer = strings.TrimSpace(line)
	})
	return answer
}

// dial opens a TCP connection from an address.
func (n *network) dial(from, to string) (err error) {
	n.t.Helper()
	n.inside(func() {
		var c net.Conn
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 700 * time.Millisecond}
		if c, err = d.Dial("tcp", to); err == nil {
			c.Close()
		}
	})
	return err
}

// A sync cache whose file is not there: the appliance says so and takes no call. It boots
// over the network (PXE, TFTP), from the unified kernel image alone.
func TestMissingCacheRefusesToStart(t *testing.T) {
	bin := programs(t)
	n := newNetwork(t)
	dir := t.TempDir()
	spec := filepath.Join(dir, "broken")
	if err := os.CopyFS(spec, os.DirFS("../../../appliance/examples/edge-fra1")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(spec, "core.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := regexp.MustCompile(`file( *)= "carriers\.csv"`).ReplaceAll(text, []byte("file$1= \"/var/lib/trunkline/carriers.csv\"\n  rows    = 10"))
	if string(broken) == string(text) {
		t.Fatal("core.hcl has no cache file to take away")
	}
	if err := os.WriteFile(path, broken, 0o644); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if b, err := exec.Command(filepath.Join(bin, "trunkline"), "build", spec, "-o", dir).CombinedOutput(); err != nil {
		t.Fatalf("trunkline build: %v\n%s", err, b)
	}
	t.Logf("a warm build took %.1f s", time.Since(begin).Seconds())
	m := n.boot(filepath.Join(dir, "edge-fra1/edge-fra1.efi"))
	ctx, cancel := context.WithTimeout(context.Background(), bootWithin)
	defer cancel()
	_, err = m.Ready(ctx)
	if err == nil {
		t.Fatal("the appliance became ready without its cache")
	}
	for _, want := range []string{"refused", "carriers", "/var/lib/trunkline/carriers.csv"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the refusal does not mention %q: %v", want, err)
		}
	}
	failed, cancelFailed := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancelFailed()
	if err := waitConsole(failed, m, regexp.MustCompile(`Failed to start.*sbcd\.service|sbcd\.service: Failed with result`)); err != nil {
		t.Errorf("the console does not show sbcd.service as failed: %v", err)
	}
	if got := n.ask(carrier, listener+":5060"); got != "" && !strings.Contains(got, "refused") {
		t.Errorf("the listener answered: %q", got)
	}
}

// waitConsole waits for a console line; unlike WaitLine it goes on after a
// refusal, which is what is expected here.
func waitConsole(ctx context.Context, m *vm.VM, re *regexp.Regexp) error {
	for {
		if re.MatchString(m.ConsoleTail(1000)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.Done():
			return fmt.Errorf("the machine ended: %v", m.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}
