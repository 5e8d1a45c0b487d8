package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/image/disk"
	"trunkline/image/inspect"
	"trunkline/image/vm/boot"
	"trunkline/image/vm/testcall"
)

// bootMemory is what a try-out gets at most unless told otherwise, MiB: the plan's
// figure is for the load it plans, which a try-out does not carry.
const bootMemory = 4096

// leastMemory is the smallest machine, MiB, in which an appliance was ever ready:
// firmware, kernel and the root image, packed and unpacked, side by side.
const leastMemory = 256

type bootOptions struct {
	call, headless bool
	secureBoot     bool
	usb            bool
	memory, port   int
	asPlanned      bool
	timeout        time.Duration
	credentials    []string // NAME=FILE
}

func (a *app) boot() *cobra.Command {
	var o bootOptions
	c := &cobra.Command{
		Use:   "boot IMAGE",
		Short: "Boot a built image in QEMU, on a network of its own",
		Long: `Boot the image in the directory IMAGE (OUT/NAME, as build wrote it) in QEMU under UEFI, or
one of its files: NAME.raw, NAME.qcow2, NAME.iso from a CD-ROM drive, NAME.efi over the network
(PXE, TFTP). Of a directory it is the first of these that is there. The
appliance gets an isolated network: nothing it sends leaves this program but
through the SIP ports that are forwarded from 127.0.0.1, those over UDP. The disk is not
written. Certificates and keys that the spec names as secrets are given with --credential, or lie
on the disk (README, "Certificates and keys").`,
		Args: oneArg("the directory of a built image, or an image in it"),
		RunE: a.does(func(ctx context.Context, args []string) error { return a.runBoot(ctx, args[0], o) }),
	}
	c.Flags().BoolVar(&o.call, "call", false, "place a test call through the appliance once it is ready")
	c.Flags().BoolVar(&o.headless, "headless", false, "no console; end once the appliance is ready and the call was placed")
	c.Flags().IntVar(&o.memory, "memory", 0, "`MIB` of memory for the machine (default: the plan's, at most 4096)")
	c.Flags().BoolVar(&o.asPlanned, "preflight", false, "let the spec's hardware.mismatch decide about a machine with less than the spec says (otherwise the appliance takes calls on it all the same)")
	c.Flags().BoolVar(&o.secureBoot, "secure-boot", false, "firmware that enforces Secure Boot, with the keys on the disk (build --secure-boot-enroll)")
	c.Flags().BoolVar(&o.usb, "usb", false, "put NAME.raw or NAME.iso on a USB stick")
	c.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long the appliance may take to be ready")
	c.Flags().IntVar(&o.port, "port", 0, "first local `PORT` to forward (default: any free ones)")
	c.Flags().StringArrayVar(&o.credentials, "credential", nil, "`NAME=FILE`: hand the appliance a credential that the spec names; may be repeated")
	return c
}

func (a *app) runBoot(ctx context.Context, image string, o bootOptions) error {
	dir, file := image, ""
	if info, err := os.Stat(image); err == nil && !info.IsDir() {
		dir, file = filepath.Dir(image), image
	}
	p, err := readPlan(dir)
	if err != nil {
		return err
	}
	options, err := bootPlan(p.Appliance, o)
	if err != nil {
		return err
	}
	if options.Disk, err = bootable(dir, file, p.Appliance.Name); err != nil {
		return err
	}
	var onDisk []string
	if len(p.Appliance.Secrets) > 0 && filepath.Ext(options.Disk) != ".efi" {
		if onDisk, err = disk.Credentials(options.Disk); err != nil {
			return err
		}
	}
	if options.Credentials, err = readCredentials(p.Appliance, o.credentials, onDisk); err != nil {
		return err
	}
	options.Out = a.Stdout
	if !o.headless {
		options.Console = a.Stderr
	}
	_, err = boot.Run(ctx, options)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s was not ready within %s: give it longer with --timeout, or read on its console why: %w", p.Appliance.Name, o.timeout, err)
	}
	return err
}

// bootable is the file to boot: the one named, or the first of the directory.
func bootable(dir, file, name string) (string, error) {
	if file != "" {
		kind, err := inspect.KindOf(file)
		if err == nil && kind == inspect.KindOther {
			err = fmt.Errorf("%s is no image: name NAME.raw, NAME.qcow2, NAME.iso or NAME.efi, or the directory they are in", file)
		}
		return file, err
	}
	for _, ending := range []string{".raw", ".qcow2", ".iso", ".efi"} {
		path := filepath.Join(dir, name+ending)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("no image to boot in %s: run `trunkline build` first", dir)
}

// readPlan reads the plan of a built image.
func readPlan(dir string) (*plan.Plan, error) {
	name := filepath.Join(dir, "plan.json")
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not a built image, it has no plan.json: name the directory that `trunkline build` wrote (out/NAME)", dir)
	}
	if err != nil {
		return nil, err
	}
	p, err := plan.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// bootPlan turns an appliance into a machine, its network and a test call.
func bootPlan(ap *runtime.Appliance, o bootOptions) (boot.Options, error) {
	if o.timeout <= 0 || o.memory < 0 {
		return boot.Options{}, errors.New("--timeout and --memory must be more than 0")
	}
	if o.memory > 0 && o.memory < leastMemory {
		return boot.Options{}, fmt.Errorf("--memory %d: too little to start kernel and root image in, give it at least %d MiB", o.memory, leastMemory)
	}
	if o.port < 0 || o.port+len(ap.Listeners)-1 > 65535 {
		return boot.Options{}, fmt.Errorf("--port %d: there must be room for %s below 65536", o.port, count(len(ap.Listeners), "port"))
	}
	memory := o.memory
	if memory == 0 {
		memory = int(min(ap.Hardware.MemoryBytes>>20, bootMemory))
	}
	out := boot.Options{
		Name:       ap.Name,
		MemoryMiB:  memory,
		CPUs:       max(1, min(ap.Hardware.Threads, goruntime.NumCPU())),
		SecureBoot: o.secureBoot,
		USB:        o.usb,
		Headless:   o.headless,
		AsPlanned:  o.asPlanned,

		ReadyTimeout: o.timeout,
	}
	for _, n := range ap.Hardware.NICs {
		if n.Kind != "" {
			return boot.Options{}, fmt.Errorf("interface %q is a %s: the network of boot has cables for cards alone. Boot %s.raw in a machine of your own, or move the addresses to a card", n.Name, n.Kind, ap.Name)
		}
		model, err := cardOf(n)
		if err != nil {
			return boot.Options{}, err
		}
		out.NICs = append(out.NICs, boot.NIC{Name: n.Name, MAC: n.MAC, Model: model, Addresses: n.Addresses})
	}
	out.Bus, out.Blanks = disksOf(ap.Hardware.Disks)
	taken, destinations := inhabited(ap)
	for i, l := range ap.Listeners {
		if l.Address.Addr().IsLoopback() || !l.Datagram() {
			continue // nobody outside reaches it, or by UDP
		}
		as, ok := boot.SourceIn(l.Sources, l.Address.Addr(), taken)
		if !ok {
			continue
		}
		port := 0
		if o.port > 0 {
			port = o.port + i
		}
		out.Forwards = append(out.Forwards, boot.Forward{
			Listener: l.Name,
			Host:     netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)),
			Guest:    l.Address,
			As:       as,
		})
	}
	if o.call {
		call, err := testCall(ap, taken)
		if err != nil {
			return boot.Options{}, err
		}
		out.Call = &boot.Call{Call: call, Destinations: destinations}
	}
	return out, nil
}

// inhabited lists the addresses that are somebody's already: the appliance's own,
// and its destinations.
func inhabited(ap *runtime.Appliance) (taken []netip.Prefix, destinations []netip.AddrPort) {
	for _, n := range ap.Hardware.NICs {
		taken = append(taken, n.Addresses...)
	}
	for _, d := range ap.Dispatchers {
		for _, dst := range d.Destinations {
			destinations = append(destinations, dst.Address)
			taken = append(taken, netip.PrefixFrom(dst.Address.Addr(), dst.Address.Addr().BitLen()))
		}
	}
	return taken, destinations
}

// testCallPort is the caller's: not 5060, which would hide a reply sent to the
// default port instead of the Via's.
const testCallPort = 5068

// testCall finds a listener whose calls a route takes, and somebody who may call it.
func testCall(ap *runtime.Appliance, taken []netip.Prefix) (testcall.Call, error) {
	for _, r := range ap.Routes {
		if len(r.To) == 0 {
			continue // the numbers of a cache are not known here
		}
		for _, l := range ap.Listeners {
			if len(r.From) > 0 && !slices.Contains(r.From, l.Name) || l.Address.Addr().IsLoopback() || !l.Datagram() {
				continue
			}
			from, ok := boot.SourceIn(l.Sources, l.Address.Addr(), taken)
			if !ok {
				continue
			}
			call := testcall.Call{From: netip.AddrPortFrom(from, testCallPort), To: l.Address}
			if r.Prefix != "" {
				call.User = r.Prefix + "5550100"
			}
			return call, nil
		}
	}
	return testcall.Call{}, fmt.Errorf("no test call is possible: no route with `to` takes calls of a listener over UDP that has sources; boot without --call")
}

// readCredentials reads what --credential names, and wants every credential of the appliance
// there or on its disk.
func readCredentials(ap *runtime.Appliance, args, onDisk []string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, arg := range args {
		name, file, ok := strings.Cut(arg, "=")
		if !ok || name == "" || file == "" {
			return nil, fmt.Errorf("--credential %q: write NAME=FILE", arg)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("--credential %s is given twice: leave one out", name)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--credential %s: %w", name, err)
		}
		out[name] = b
	}
	var missing []string
	for _, s := range ap.Secrets {
		if _, ok := out[s.Credential]; !ok && !slices.Contains(onDisk, s.Credential) {
			missing = append(missing, "--credential "+s.Credential+"=FILE")
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s opens no listener without the secrets of its spec: add %s", ap.Name, strings.Join(missing, " "))
	}
	return out, nil
}
