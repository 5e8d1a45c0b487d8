// Package netlab makes network namespaces with tap interfaces for tests that
// boot an appliance and talk to it with the host's own programs (SIPp, nft).
//
// It promises isolation: a namespace starts empty, has no route out, and goes
// with Close. It needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN) and /dev/net/tun.
package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Lab is one network namespace.
type Lab struct {
	name   string
	handle netns.NsHandle
	nl     *netlink.Handle
}

// runDir is where ip-netns(8) keeps names, so `ip netns exec` works too.
const runDir = "/run/netns"

// New makes a namespace of this name with loopback up.
func New(name string) (*Lab, error) {
	h, err := inNewThread(func() (netns.NsHandle, error) { return netns.NewNamed(name) })
	if err != nil {
		return nil, fmt.Errorf("netlab: namespace %s: %w (root is needed)", name, err)
	}
	nl, err := netlink.NewHandleAt(h)
	if err != nil {
		_ = h.Close()
		return nil, errors.Join(fmt.Errorf("netlab: namespace %s: %w", name, err), netns.DeleteNamed(name))
	}
	l := &Lab{name: name, handle: h, nl: nl}
	lo, err := nl.LinkByName("lo")
	if err == nil {
		err = nl.LinkSetUp(lo)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("netlab: loopback of %s: %w", name, err), l.Close())
	}
	return l, nil
}

// Path is the namespace's file, for vm.Config.Netns.
func (l *Lab) Path() string { return filepath.Join(runDir, l.name) }

// Tap makes a tap interface, up, with these addresses: the far side of a NIC of
// the guest.
func (l *Lab) Tap(name string, addresses ...netip.Prefix) error {
	// TUNSETIFF acts on the namespace of the calling thread.
	err := l.Do(func() error {
		return netlink.LinkAdd(&netlink.Tuntap{
			LinkAttrs: netlink.LinkAttrs{Name: name},
			Mode:      netlink.TUNTAP_MODE_TAP,
			Flags:     netlink.TUNTAP_DEFAULTS | netlink.TUNTAP_NO_PI,
		})
	})
	if err != nil {
		return fmt.Errorf("netlab: tap %s: %w (is /dev/net/tun there?)", name, err)
	}
	link, err := l.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("netlab: tap %s: %w", name, err)
	}
	if err := l.address(link, addresses); err != nil {
		return err
	}
	if err := l.nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("netlab: tap %s up: %w", name, err)
	}
	return nil
}

// Address adds addresses to an interface, e.g. of hosts behind the gateway.
func (l *Lab) Address(name string, addresses ...netip.Prefix) error {
	link, err := l.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("netlab: interface %s: %w", name, err)
	}
	return l.address(link, addresses)
}

func (l *Lab) address(link netlink.Link, addresses []netip.Prefix) error {
	for _, a := range addresses {
		ip := &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}
		// No duplicate address detection: it would hold an IPv6 address back.
		err := l.nl.AddrAdd(link, &netlink.Addr{IPNet: ip, Flags: ifaNoDAD})
		if err != nil {
			return fmt.Errorf("netlab: address %s on %s: %w", a, link.Attrs().Name, err)
		}
	}
	return nil
}

// ifaNoDAD is IFA_F_NODAD of linux/if_addr.h.
const ifaNoDAD = 0x02

// Do runs f on a thread inside the namespace. Sockets f opens stay there.
func (l *Lab) Do(f func() error) error {
	_, err := inNewThread(func() (struct{}, error) {
		if err := netns.Set(l.handle); err != nil {
			return struct{}{}, fmt.Errorf("netlab: entering %s: %w", l.name, err)
		}
		return struct{}{}, f()
	})
	return err
}

// Start starts a command inside the namespace.
func (l *Lab) Start(cmd *exec.Cmd) error { return l.Do(cmd.Start) }

// Close removes the namespace with its interfaces.
func (l *Lab) Close() error {
	l.nl.Close()
	err := l.handle.Close()
	if e := netns.DeleteNamed(l.name); e != nil && !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	if err != nil {
		return fmt.Errorf("netlab: removing %s: %w", l.name, err)
	}
	return nil
}

// inNewThread runs f on a thread that ends afterwards: it may have changed
// namespace and must serve nobody else.
func inNewThread[T any](f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	c := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the goroutine's end ends the thread
		v, err := f()
		c <- result{v, err}
	}()
	r := <-c
	return r.v, r.err
}
