package spec

import "slices"

// What a driver is for.
const (
	DriverNIC   = "nic"
	DriverDisk  = "disk"
	DriverBoard = "board" // what every board may have and no spec names
)

// Makers of processors.
const (
	VendorIntel = "intel"
	VendorAMD   = "amd"
)

// Driver is a driver that an image can have. Names are the kernel's.
type Driver struct {
	Name    string
	For     string // one of the Driver constants
	About   string // what hardware it is for
	Virtual bool   // part of every image for virtual machines, and of those alone
	Vendor  string // of a board: with processors of this maker alone; empty: with all

	Modules []string // kernel modules; nil: the one of the driver's name
	Bound   string   // how the kernel calls the driver of a device; empty: Name
	// Firmware are patterns of files below /usr/lib/firmware that the card is not used
	// without; Package has them, in the archive's component Component (empty: main).
	Firmware           []string
	Package, Component string

	// As in Debian 13 of 2026-11: the modules as packed, all that they need included, and
	// the firmware they may ask for. Bytes.
	ModuleBytes, FirmwareBytes int
}

// nonFree is the component of the archive that holds what may be passed on but has no
// source.
const nonFree = "non-free-firmware"

// KernelModules are the modules of d.
func (d Driver) KernelModules() []string {
	if d.Modules == nil {
		return []string{d.Name}
	}
	return d.Modules
}

// BoundName is what the kernel calls the driver of a device (the link "driver" in sysfs).
func (d Driver) BoundName() string {
	if d.Bound == "" {
		return d.Name
	}
	return d.Bound
}

// drivers is the table. Firmware that a card has in itself is not named.
var drivers = []Driver{
	{Name: "amd-xgbe", For: DriverNIC, About: "AMD EPYC Embedded and 10 Gbit/s of its SoCs", ModuleBytes: 162732},
	{Name: "atlantic", For: DriverNIC, About: "Aquantia and Marvell AQC, to 10 Gbit/s", ModuleBytes: 144164},
	{Name: "be2net", For: DriverNIC, About: "Emulex OneConnect, 10 and 40 Gbit/s", ModuleBytes: 86196},
	{Name: "bnx2", For: DriverNIC, About: "Broadcom NetXtreme II, 1 Gbit/s", Firmware: []string{"bnx2/*.fw"}, Package: "firmware-bnx2", Component: nonFree, ModuleBytes: 53664, FirmwareBytes: 215144},
	{Name: "bnx2x", For: DriverNIC, About: "Broadcom and QLogic NetXtreme II, 10 Gbit/s", Firmware: []string{"bnx2x/bnx2x-e2-*.fw"}, Package: "firmware-bnx2x", Component: nonFree, ModuleBytes: 373540, FirmwareBytes: 1344368},
	{Name: "bnxt_en", For: DriverNIC, About: "Broadcom NetXtreme-C and -E, 10 to 200 Gbit/s", ModuleBytes: 205800},
	{Name: "cxgb4", For: DriverNIC, About: "Chelsio T4, T5 and T6, 10 to 100 Gbit/s", Firmware: []string{"cxgb4/t?fw.bin", "cxgb4/t?-config.txt"}, Package: "firmware-misc-nonfree", Component: nonFree, ModuleBytes: 345420, FirmwareBytes: 2046389},
	{Name: "e1000", For: DriverNIC, About: "Intel PRO/1000, PCI and PCI-X", ModuleBytes: 72732},
	{Name: "e1000e", For: DriverNIC, About: "Intel PRO/1000 PCI Express, I217 to I219", ModuleBytes: 130564},
	{Name: "enic", For: DriverNIC, About: "Cisco UCS virtual interface cards", ModuleBytes: 55620},
	{Name: "i40e", For: DriverNIC, About: "Intel X710, XL710, XXV710 and X722, 10 to 40 Gbit/s", ModuleBytes: 256452},
	{Name: "ice", For: DriverNIC, About: "Intel E810 and E82x, 10 to 100 Gbit/s", Firmware: []string{"intel/ice/ddp/ice.pkg"}, Package: "firmware-intel-misc", Component: nonFree, ModuleBytes: 513764, FirmwareBytes: 1352580},
	{Name: "igb", For: DriverNIC, About: "Intel 82575 to 82580, I210, I211 and I350, 1 Gbit/s", ModuleBytes: 139984},
	{Name: "igc", For: DriverNIC, About: "Intel I225 and I226, 2.5 Gbit/s", ModuleBytes: 88400},
	{Name: "ionic", For: DriverNIC, About: "AMD Pensando, 25 to 100 Gbit/s", ModuleBytes: 94772},
	{Name: "ixgbe", For: DriverNIC, About: "Intel 82598, 82599, X520, X540 and X550, 10 Gbit/s", ModuleBytes: 278268},
	{Name: "mlx4_en", For: DriverNIC, About: "Mellanox ConnectX-3, 10 and 40 Gbit/s", Modules: []string{"mlx4_core", "mlx4_en"}, Bound: "mlx4_core", ModuleBytes: 267620},
	{Name: "mlx5_core", For: DriverNIC, About: "NVIDIA and Mellanox ConnectX-4 and later, BlueField, 10 to 400 Gbit/s", ModuleBytes: 829840},
	{Name: "qede", For: DriverNIC, About: "QLogic FastLinQ 41000 and 45000, 10 to 100 Gbit/s", Firmware: []string{"qed/qed_init_values_zipped-*.bin"}, Package: "firmware-qlogic", Component: nonFree, ModuleBytes: 450568, FirmwareBytes: 943352},
	{Name: "r8169", For: DriverNIC, About: "Realtek RTL8111 to RTL8168 and RTL8125, 1 and 2.5 Gbit/s", Firmware: []string{"rtl_nic/rtl8168*.fw"}, Package: "firmware-realtek", Component: nonFree, ModuleBytes: 126316, FirmwareBytes: 110248},
	{Name: "sfc", For: DriverNIC, About: "Solarflare 7000 to X4, 10 to 100 Gbit/s", ModuleBytes: 286544},
	{Name: "tg3", For: DriverNIC, About: "Broadcom NetXtreme BCM57xx, 1 Gbit/s", Firmware: []string{"tigon/*.bin"}, Package: "firmware-misc-nonfree", Component: nonFree, ModuleBytes: 163308, FirmwareBytes: 13700},

	{Name: "aacraid", For: DriverDisk, About: "Adaptec and Microchip RAID", ModuleBytes: 198280},
	{Name: "ahci", For: DriverDisk, About: "SATA controllers of boards", ModuleBytes: 325824},
	{Name: "arcmsr", For: DriverDisk, About: "Areca RAID", ModuleBytes: 154408},
	{Name: "ata_piix", For: DriverDisk, About: "Intel IDE and SATA in IDE mode", ModuleBytes: 291364},
	{Name: "hpsa", For: DriverDisk, About: "HPE Smart Array P and H series to Gen9", ModuleBytes: 202812},
	{Name: "megaraid_sas", For: DriverDisk, About: "Broadcom and LSI MegaRAID, Dell PERC", ModuleBytes: 217124},
	{Name: "mpi3mr", For: DriverDisk, About: "Broadcom 9600 series, Dell PERC 12", ModuleBytes: 251532},
	{Name: "mpt3sas", For: DriverDisk, About: "Broadcom and LSI SAS2 and SAS3 HBAs, Dell HBA330", ModuleBytes: 321508},
	{Name: "nvme", For: DriverDisk, About: "NVMe on PCI Express", ModuleBytes: 133108},
	{Name: "pm80xx", For: DriverDisk, About: "Microchip SAS/SATA HBAs", ModuleBytes: 453076},
	{Name: "smartpqi", For: DriverDisk, About: "HPE Smart Array from Gen10 and Microchip SmartRAID", ModuleBytes: 209380},
	{Name: "usb-storage", For: DriverDisk, About: "USB sticks and SD cards on the board", Modules: []string{"usb-storage", "uas", "xhci-pci", "ehci-pci"}, ModuleBytes: 532496},

	{Name: "hpwdt", For: DriverBoard, About: "watchdog of HPE boards", ModuleBytes: 24804},
	{Name: "wdat_wdt", For: DriverBoard, About: "watchdog that the firmware describes (ACPI WDAT)", ModuleBytes: 24968},
	{Name: "iTCO_wdt", For: DriverBoard, About: "watchdog of Intel chipsets", Vendor: VendorIntel, Modules: []string{"iTCO_wdt", "i2c-i801", "lpc_ich"}, ModuleBytes: 59360},
	{Name: "sp5100_tco", For: DriverBoard, About: "watchdog of AMD chipsets", Vendor: VendorAMD, Modules: []string{"sp5100_tco", "i2c-piix4"}, ModuleBytes: 40204},
	{Name: "intel-edac", For: DriverBoard, About: "reports of memory errors, Intel", Vendor: VendorIntel,
		Modules: []string{"sb_edac", "skx_edac", "i10nm_edac", "ie31200_edac", "igen6_edac", "pnd2_edac"}, ModuleBytes: 195092},
	{Name: "amd64_edac", For: DriverBoard, About: "reports of memory errors, AMD", Vendor: VendorAMD, ModuleBytes: 33356},

	{Name: "virtio_net", For: DriverNIC, About: "KVM and most clouds", Virtual: true},
	{Name: "vmxnet3", For: DriverNIC, About: "VMware", Virtual: true},
	{Name: "hv_netvsc", For: DriverNIC, About: "Hyper-V and Azure", Virtual: true},
	{Name: "ena", For: DriverNIC, About: "Amazon EC2", Virtual: true},
	{Name: "gve", For: DriverNIC, About: "Google Compute Engine", Virtual: true},
	{Name: "ixgbevf", For: DriverNIC, About: "virtual functions of Intel 10 Gbit/s cards", Virtual: true},
	{Name: "virtio_blk", For: DriverDisk, About: "KVM and most clouds", Virtual: true},
	{Name: "virtio_scsi", For: DriverDisk, About: "KVM and clouds, SCSI", Virtual: true},
	{Name: "vmw_pvscsi", For: DriverDisk, About: "VMware", Virtual: true},
	{Name: "hv_storvsc", For: DriverDisk, About: "Hyper-V and Azure", Virtual: true},
}

// Drivers are those an image for the platform can have, for one kind of hardware, by name.
func Drivers(platform, kind string) []Driver {
	var out []Driver
	for _, d := range drivers {
		if d.For == kind && d.Virtual == (platform == PlatformVM) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Driver) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// DriverOf finds a driver by its name; nil: there is none of that kind for the platform.
func DriverOf(platform, kind, name string) *Driver {
	for _, d := range Drivers(platform, kind) {
		if d.Name == name {
			return &d
		}
	}
	return nil
}

// Need is a driver an image has, and for what.
type Need struct {
	Driver
	Why string // `nic "wan"`, `disk "system"`, or what the driver is for
}

// Makers are the makers of processors whose updates and board drivers an image for bare
// metal has; none for a virtual machine.
func (h Hardware) Makers() []string {
	switch {
	case h.Platform != PlatformBaremetal:
		return nil
	case h.Vendor != "":
		return []string{h.Vendor}
	}
	return []string{VendorAMD, VendorIntel}
}

// Needs are the drivers that an image for bare metal has, in the order of the spec, then
// those of boards; none for a virtual machine, whose image has all there are for one.
func (h Hardware) Needs() []Need {
	if h.Platform != PlatformBaremetal {
		return nil
	}
	var out []Need
	add := func(kind, name, why string) {
		if i := slices.IndexFunc(out, func(n Need) bool { return n.For == kind && n.Name == name }); i >= 0 {
			out[i].Why += ", " + why
		} else if d := DriverOf(h.Platform, kind, name); d != nil {
			out = append(out, Need{*d, why})
		}
	}
	for _, n := range h.NICs {
		if n.Kind == KindEthernet {
			add(DriverNIC, n.Driver, "nic "+n.Name)
		}
	}
	for _, d := range h.Disks {
		add(DriverDisk, d.Driver, "disk "+d.Name)
	}
	for _, d := range Drivers(h.Platform, DriverBoard) {
		if d.Vendor == "" || slices.Contains(h.Makers(), d.Vendor) {
			out = append(out, Need{d, d.About})
		}
	}
	return out
}

// Package is one of the archive, with the component it comes from (empty: main).
type Package struct{ Name, Component string }

// microcodePackages are those with updates of processors, by maker.
var microcodePackages = map[string]Package{
	VendorAMD:   {"amd64-microcode", nonFree},
	VendorIntel: {"intel-microcode", nonFree},
}

// Packages are those that the machine needs beside what every appliance has, each once.
func (h Hardware) Packages() []Package {
	var out []Package
	for _, m := range h.Makers() {
		out = append(out, microcodePackages[m])
	}
	for _, n := range h.Needs() {
		if p := (Package{n.Package, n.Component}); p.Name != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
