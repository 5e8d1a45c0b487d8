package outputs

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"trunkline/image/vm"
	"trunkline/image/vm/netlab"
	"trunkline/image/vm/testcall"
)

// Where the firmware finds its image: addresses for documentation (RFC 5737), on a cable of
// their own.
const (
	bootTap    = "boot0"
	bootServer = "192.0.2.1"
	bootClient = "192.0.2.10"
)

// Of the example spec.
const (
	exampleMAC      = "52:54:00:12:34:56"
	exampleTap      = "tap0"
	exampleGateway  = "203.0.113.1/27"
	exampleListener = "203.0.113.10:5060"
	exampleCarrier  = "198.51.100.10:5068"
	exampleNumber   = "+4930123456"
)

var exampleGateways = []netip.AddrPort{netip.MustParseAddrPort("10.0.0.11:5060"), netip.MustParseAddrPort("10.0.0.12:5060")}

// httpBoot has the firmware of a machine without a disk fetch the unified kernel image by UEFI
// HTTP boot (UEFI 2.10, 24.7): the DHCP server, dnsmasq, offers its URL to clients of the class
// HTTPClient. Then a call is placed through the appliance.
func httpBoot(t *testing.T, image string) {
	lab, err := netlab.New("trunkline-http")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	for tap, address := range map[string]string{bootTap: bootServer + "/24", exampleTap: exampleGateway} {
		if err := lab.Tap(tap, netip.MustParsePrefix(address)); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range append([]netip.AddrPort{netip.MustParseAddrPort(exampleCarrier)}, exampleGateways...) {
		if err := lab.Address("lo", netip.PrefixFrom(a.Addr(), 32)); err != nil {
			t.Fatal(err)
		}
	}
	asked := serveImage(t, lab, filepath.Dir(image))
	offer(t, lab, "http://"+bootServer+":8080/"+filepath.Base(image))
	answers, err := testcall.Answer(inLab{lab}, exampleGateways)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(answers.Close)

	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	m, err := vm.Start(ctx, vm.Config{MemoryMiB: 1024, CPUs: 1, Netns: lab.Path(), NICs: []vm.NIC{
		{Boot: true, Backend: vm.Tap{Name: bootTap}}, {MAC: exampleMAC, Backend: vm.Tap{Name: exampleTap}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ready, err := m.Ready(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready %.1f s after power-on (%s); the firmware asked for %q", ready.Wall.Seconds(), m.Accel(), asked())
	if _, err := testcall.Place(ctx, inLab{lab}, testcall.Call{
		From: netip.MustParseAddrPort(exampleCarrier), To: netip.MustParseAddrPort(exampleListener), User: exampleNumber,
	}, answers); err != nil {
		t.Error(err)
	}
	if err := m.Kill(); err != nil {
		t.Error(err)
	}
	if len(asked()) == 0 {
		t.Error("nobody has asked for the image over HTTP")
	}
}

// inLab makes a namespace a testcall.Network.
type inLab struct{ *netlab.Lab }

func (l inLab) ListenPacket(at netip.AddrPort) (conn net.PacketConn, err error) {
	doErr := l.Do(func() error {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return nil
	})
	if doErr != nil {
		return nil, doErr
	}
	return conn, err
}

// serveImage hands out a directory, and tells what was asked for.
func serveImage(t *testing.T, lab *netlab.Lab, dir string) (asked func() []string) {
	t.Helper()
	var l net.Listener
	if err := lab.Do(func() (err error) {
		l, err = net.Listen("tcp", bootServer+":8080")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var list []string
	files := http.FileServer(http.Dir(dir))
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		list = append(list, q.Method+" "+q.URL.Path)
		mu.Unlock()
		files.ServeHTTP(w, q)
	})}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), list...)
	}
}

// offer runs a DHCP server that gives clients of UEFI HTTP boot a URL, and others an address
// alone.
func offer(t *testing.T, lab *netlab.Lab, url string) {
	t.Helper()
	dir := t.TempDir()
	var says bytes.Buffer
	cmd := exec.Command("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--no-ping", "--log-dhcp", "--log-facility=-",
		"--pid-file="+filepath.Join(dir, "pid"), "--dhcp-leasefile="+filepath.Join(dir, "leases"),
		"--interface="+bootTap, "--bind-interfaces", "--dhcp-authoritative", "--dhcp-range="+bootClient+","+bootClient+",1h",
		"--dhcp-vendorclass=set:http,HTTPClient", "--dhcp-option-force=tag:http,60,HTTPClient", "--dhcp-boot=tag:http,"+url)
	cmd.Stdout, cmd.Stderr = &says, &says
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if err := lab.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Logf("dnsmasq:\n%s", says.String())
		}
	})
}
