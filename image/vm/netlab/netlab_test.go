package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestLab(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip(err)
	}
	name := fmt.Sprintf("tl-test-%d", os.Getpid())
	l, err := New(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(l.Path()); err == nil {
			t.Error("the namespace is still there")
		}
	}()
	if err := l.Tap("tap0", netip.MustParsePrefix("203.0.113.1/27"), netip.MustParsePrefix("2001:db8::1/64")); err != nil {
		t.Fatal(err)
	}
	if err := l.Address("tap0", netip.MustParsePrefix("10.0.0.11/32")); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"203.0.113.1", "2001:db8::1", "10.0.0.11", "127.0.0.1"} {
		err := l.Do(func() error {
			c, err := net.ListenPacket("udp", net.JoinHostPort(addr, "5060"))
			if err == nil {
				c.Close()
			}
			return err
		})
		if err != nil {
			t.Errorf("%s inside: %v", addr, err)
		}
	}
	if c, err := net.ListenPacket("udp", "203.0.113.1:5060"); err == nil {
		c.Close()
		t.Error("the address exists outside the namespace too")
	}
	if _, err := net.InterfaceByName("tap0"); err == nil {
		t.Error("the tap exists outside the namespace too")
	}
	var out strings.Builder
	cmd := exec.Command("cat", "/proc/net/route")
	cmd.Stdout = &out
	if err := l.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "00000000" {
			t.Errorf("the namespace has a default route:\n%s", out.String())
		}
	}
}
