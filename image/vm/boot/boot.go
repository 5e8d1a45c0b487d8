// Package boot is the core of `trunkline boot`: it runs an appliance's raw disk
// on an isolated network, says when the appliance takes calls and how long that
// took, forwards its SIP ports to the host's loopback, and places a test call
// when asked to.
//
// It promises that nothing the appliance sends leaves the process but through
// the forwards, that the disk is not written, and that the machine is gone when
// Run returns, whatever ended it. Times are as measured: Uptime by the guest,
// Wall from here.
package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"trunkline/image/vm"
	"trunkline/image/vm/testcall"
	"trunkline/image/vm/wire"
)

// Options say what to run. Addresses come from the plan of the appliance.
type Options struct {
	Name      string // of the appliance; when given, another one's disk is an error
	Disk      string // what it boots from (vm.Config)
	USB       bool   // likewise
	MemoryMiB int    // 0: the least that boots
	CPUs      int    // 0: 2
	Accel     vm.Accel
	// Credentials are handed to the appliance, by name.
	Credentials map[string][]byte
	// SecureBoot runs firmware that enforces Secure Boot, with the keys that the disk
	// brings. That it was in force is checked.
	SecureBoot bool
	NICs       []NIC
	Bus        vm.Bus // of the disk; empty: virtio
	Blanks     []vm.Blank
	// AsPlanned lets hardware.mismatch of the spec decide on a machine with less than it says.
	AsPlanned bool
	Forwards  []Forward
	Call      *Call // a test call after READY; nil: none
	// Headless ends the machine once it is ready and the call, if any, was
	// placed. Without it Run goes on until ctx ends or the guest does.
	Headless bool
	Console  io.Writer // the serial console; nil: not shown
	Out      io.Writer // what Run has to say; nil: nothing
	// ReadyTimeout bounds the boot; 0: three minutes, which software emulation
	// on a busy machine stays well below.
	ReadyTimeout time.Duration
}

// NIC is one interface of the appliance.
type NIC struct {
	Name      string
	MAC       string // empty: chosen here
	Model     string // of QEMU; empty: virtio
	Addresses []netip.Prefix
}

// Forward carries a loopback UDP port of the host to a listener. To the
// appliance the packets come from As, which must be among the listener's sources.
type Forward struct {
	Listener string
	Host     netip.AddrPort // port 0: any free one
	Guest    netip.AddrPort
	As       netip.Addr
}

// Call is the test call: from an allowed source to a listener, answered at the
// destinations of the dispatcher sets.
type Call struct {
	testcall.Call
	Destinations []netip.AddrPort
}

// Result is what Run found.
type Result struct {
	Ready    vm.ReadyInfo
	Accel    vm.Accel
	Forwards []Forward // with the host ports in use
	Call     *testcall.Result
}

const (
	defaultReadyTimeout = 3 * time.Minute
	callTimeout         = 40 * time.Second
)

// Run boots the appliance. It returns an error when the boot or the call fails;
// the end of ctx after READY is how an interactive run ends and is none.
func Run(ctx context.Context, o Options) (res Result, err error) {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = defaultReadyTimeout
	}
	network, err := wire.New()
	if err != nil {
		return res, err
	}
	defer network.Close()
	nics, err := plug(network, o.NICs)
	if err != nil {
		return res, err
	}
	if res.Forwards, err = forward(network, o.Forwards); err != nil {
		return res, err
	}
	var destinations *testcall.Destinations
	if o.Call != nil {
		// Before the appliance: its first probes must find them.
		if destinations, err = testcall.Answer(network, unique(o.Call.Destinations)); err != nil {
			return res, err
		}
		defer destinations.Close()
	}

	accel := o.Accel
	if accel == "" {
		var why error
		if accel, why = vm.ChooseAccel(); why != nil {
			fmt.Fprintf(o.Out, "No hardware virtualisation here (%v): software emulation, ten times slower.\n", why)
		}
	}
	// The machine outlives ctx for as long as powering off takes.
	m, err := vm.Start(context.WithoutCancel(ctx), vm.Config{
		Disk: o.Disk, USB: o.USB, MemoryMiB: o.MemoryMiB, CPUs: o.CPUs, NICs: nics, Console: o.Console, Accel: accel, Credentials: o.Credentials,
		SecureBoot: o.SecureBoot, Restarts: o.SecureBoot,
		Bus: o.Bus, Blanks: o.Blanks, AsPlanned: o.AsPlanned,
	})
	if err != nil {
		return res, err
	}
	defer func() {
		if stopErr := end(ctx, m, err == nil && !o.Headless); err == nil {
			err = stopErr
		}
	}()
	res.Accel = m.Accel()
	return res, attend(ctx, o, m, network, destinations, &res)
}

// end powers the machine off, by its own will when gently. Force harms nothing:
// the disk is a snapshot.
func end(ctx context.Context, m *vm.VM, gently bool) error {
	if !gently {
		return m.Kill()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return m.Stop(ctx)
}

// stopTimeout is for a guest to power off by itself.
const stopTimeout = 5 * time.Second

// attend follows a started machine: ready, call, and the rest of its life.
func attend(ctx context.Context, o Options, m *vm.VM, network *wire.Wire, destinations *testcall.Destinations, res *Result) error {
	readyCtx, cancel := context.WithTimeout(ctx, o.ReadyTimeout)
	defer cancel()
	var err error
	if res.Ready, err = m.Ready(readyCtx); err != nil {
		return err
	}
	if o.Name != "" && res.Ready.Name != o.Name {
		return fmt.Errorf("boot: %s is the disk of appliance %q, not of %q; build it again", o.Disk, res.Ready.Name, o.Name)
	}
	if o.SecureBoot {
		if err := secured(readyCtx, o, m); err != nil {
			return err
		}
	}
	if said := preflight(m); said != "" {
		fmt.Fprintf(o.Out, "%s.\n", said)
	}
	fmt.Fprintf(o.Out, "%s is ready: %d listeners, %.2f s from kernel start to READY, %.2f s from power on (%s).\n",
		res.Ready.Name, res.Ready.Listeners, res.Ready.Uptime.Seconds(), res.Ready.Wall.Seconds(), res.Accel)
	if res.Ready.Memory > 0 {
		fmt.Fprintf(o.Out, "%.0f MiB of memory are in use, root image and proxy included.\n", float64(res.Ready.Memory)/(1<<20))
	}
	for _, f := range res.Forwards {
		fmt.Fprintf(o.Out, "sip:%s -> %s %s as %s\n", f.Host, f.Listener, f.Guest, f.As)
	}
	if o.Call != nil {
		callCtx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		r, err := testcall.Place(callCtx, network, o.Call.Call, destinations)
		if err != nil {
			return err
		}
		res.Call = &r
		fmt.Fprintf(o.Out, "Test call %s -> %s answered by %s: ringing after %s, answered after %s, hung up in %s.\n",
			o.Call.From, o.Call.To, r.Destination, ms(r.Ringing), ms(r.Answered), ms(r.Ended))
	}
	if o.Headless {
		return nil
	}
	fmt.Fprintln(o.Out, "Ctrl-C ends it.")
	select {
	case <-ctx.Done():
		return nil
	case <-m.Done():
		if err := m.Err(); err != nil {
			return fmt.Errorf("boot: the appliance ended: %w", err)
		}
		return errors.New("boot: the appliance powered off")
	}
}

// securityLine is what init says of Secure Boot.
var securityLine = regexp.MustCompile(`trunkline: Secure Boot (on|off), kernel lockdown .*`)

// preflightLine is how the appliance found its machine.
var preflightLine = regexp.MustCompile(`trunkline: (preflight: (?:resized|as planned|goes on as planned): [^\r\n]*)`)

// preflight passes on what a ready appliance said of its machine; empty: nothing, as one
// of a version without preflight.
func preflight(m *vm.VM) string {
	if said := preflightLine.FindStringSubmatch(m.ConsoleTail(consoleLines)); said != nil {
		return said[1]
	}
	return ""
}

// consoleLines is more than a boot writes.
const consoleLines = 1000

// secured passes on what init of a ready appliance said of Secure Boot, and refuses a
// boot without it: firmware without keys starts anything.
func secured(ctx context.Context, o Options, m *vm.VM) error {
	line, err := m.WaitLine(ctx, securityLine)
	if err != nil {
		return fmt.Errorf("boot: the appliance does not say whether Secure Boot is on: %w", err)
	}
	said := securityLine.FindStringSubmatch(line)
	if said[1] != "on" {
		return fmt.Errorf("boot: %s brings no keys to enrol, so the firmware let it start unchecked: build it with --secure-boot-key, --secure-boot-cert and --secure-boot-enroll", o.Disk)
	}
	fmt.Fprintf(o.Out, "%s.\n", strings.TrimPrefix(said[0], "trunkline: "))
	return nil
}

func ms(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

// plug makes a port for every NIC.
func plug(network *wire.Wire, in []NIC) ([]vm.NIC, error) {
	out := make([]vm.NIC, 0, len(in))
	for i, n := range in {
		text := n.MAC
		if text == "" {
			text = vm.DefaultMAC(i)
		}
		mac, err := net.ParseMAC(text)
		if err != nil {
			return nil, fmt.Errorf("boot: NIC %s: %w", n.Name, err)
		}
		port, err := network.Port(mac, n.Addresses)
		if err != nil {
			return nil, fmt.Errorf("boot: NIC %s: %w", n.Name, err)
		}
		out = append(out, vm.NIC{MAC: text, Model: n.Model, Backend: port})
	}
	return out, nil
}

func forward(network *wire.Wire, in []Forward) ([]Forward, error) {
	out := make([]Forward, 0, len(in))
	for _, f := range in {
		host, err := network.Forward(f.Host, f.Guest, f.As)
		if err != nil {
			return nil, fmt.Errorf("boot: listener %s: %w", f.Listener, err)
		}
		f.Host = host
		out = append(out, f)
	}
	return out, nil
}

// unique drops repeated addresses: a destination may serve in several sets.
func unique(in []netip.AddrPort) []netip.AddrPort {
	seen := map[netip.AddrPort]bool{}
	var out []netip.AddrPort
	for _, a := range in {
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out
}

// SourceIn picks an address a client may use from a listener's allowed sources:
// the first host of the first prefix that is not one of taken. ok is false when
// there is none of the family wanted.
func SourceIn(sources []netip.Prefix, like netip.Addr, taken []netip.Prefix) (addr netip.Addr, ok bool) {
	for _, p := range sources {
		p = p.Masked()
		if p.Addr().Is4() != like.Is4() {
			continue
		}
		a := p.Addr()
		if p.Bits() == 0 { // anything goes: an address set aside for documentation
			if a = netip.MustParseAddr("198.51.100.1"); like.Is6() {
				a = netip.MustParseAddr("2001:db8::1")
			}
		} else if p.Bits() < a.BitLen()-1 {
			a = a.Next() // not the network's own address
		}
		for ; p.Contains(a); a = a.Next() {
			if !holds(taken, a) {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}

func holds(taken []netip.Prefix, a netip.Addr) bool {
	for _, t := range taken {
		if t.Addr() == a {
			return true
		}
	}
	return false
}
