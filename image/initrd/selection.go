package initrd

import "fmt"

// BootModules are the modules init loads before it can mount the root image; what
// they need comes with them. The first is asked for by the others by what it does, not
// by name, which only modprobe resolves: it must be there before.
var BootModules = []string{"crc32c_generic", "loop", "erofs", "overlay"}

// RootModules returns the patterns (see modules.Library.Select) of the modules
// that stay in the root image of a profile: its hardware, the firewall, and what
// systemd and a network configuration may ask for. On bare metal the drivers of
// the machine come beside them.
func RootModules(profile string) ([]string, error) {
	switch profile {
	case "vm":
		return append(virtual[:len(virtual):len(virtual)], common...), nil
	case "baremetal":
		return append(metal[:len(metal):len(metal)], common...), nil
	}
	return nil, fmt.Errorf("no module selection for image profile %q", profile)
}

// virtual are the devices of virtual machines: KVM, VMware, Hyper-V, Xen, and the
// large clouds' cards.
var virtual = []string{
	"kernel/drivers/net/virtio_net", "kernel/drivers/net/net_failover", "kernel/net/core/failover",
	"kernel/drivers/net/vmxnet3/", "kernel/drivers/net/hyperv/", "kernel/drivers/net/xen-netfront",
	"kernel/drivers/net/ethernet/amazon/", "kernel/drivers/net/ethernet/google/", "kernel/drivers/net/ethernet/intel/ixgbevf/",
	"kernel/drivers/virtio/virtio_balloon", "kernel/drivers/virtio/virtio_mmio", "kernel/drivers/char/hw_random/virtio-rng",
	"kernel/drivers/hv/hv_utils", "kernel/drivers/hv/hv_vmbus", "kernel/drivers/firmware/qemu_fw_cfg", "kernel/drivers/ptp/ptp_kvm",
	"kernel/drivers/watchdog/i6300esb",
	"kernel/drivers/block/virtio_blk", "kernel/drivers/block/xen-blkfront",
	"kernel/drivers/scsi/virtio_scsi", "kernel/drivers/scsi/hv_storvsc", "kernel/drivers/scsi/vmw_pvscsi",
}

// metal is what every board may have that no spec names. Consoles need nothing:
// serial ports, those of a BMC included, and the firmware's screen are in the
// kernel. No USB: the UKI holds all that is read, and nobody can log in.
var metal = []string{
	"kernel/drivers/watchdog/hpwdt", "kernel/drivers/watchdog/wdat_wdt",
	"kernel/drivers/acpi/fan", "kernel/drivers/acpi/acpi_pad",
}

// common is what all appliances have.
var common = []string{
	"kernel/drivers/watchdog/watchdog",
	"kernel/drivers/acpi/button", "kernel/drivers/input/evdev", // the power button, the hypervisor's too, and how logind hears it
	"kernel/crypto/crc32c_generic", "kernel/arch/x86/crypto/crc32c-intel", // of file systems and SCTP; see BootModules
	// Disks, and the file systems on them.
	"kernel/drivers/block/loop", "kernel/drivers/scsi/sd_mod",
	"kernel/fs/fat/vfat", "kernel/fs/nls/nls_ascii", "kernel/fs/nls/nls_cp437", "kernel/fs/nls/nls_iso8859-1",
	"kernel/fs/ext4/ext4", "kernel/fs/erofs/", "kernel/fs/overlayfs/", "kernel/fs/efivarfs/", "kernel/fs/configfs/", "kernel/fs/autofs/",
	// Network: bonds, VLANs, queueing, the firewall's expressions.
	"kernel/drivers/net/bonding/", "kernel/net/8021q/", "kernel/drivers/net/dummy", "kernel/net/packet/af_packet_diag",
	"kernel/net/sched/sch_fq", "kernel/net/sched/sch_fq_codel", "kernel/net/sched/sch_mqprio*", "kernel/net/ipv4/tcp_bbr",
	"kernel/net/ipv4/udp_diag", "kernel/net/ipv4/inet_diag", "kernel/net/netlink/netlink_diag", "kernel/net/unix/unix_diag",
	"kernel/net/netfilter/nf_tables", "kernel/net/netfilter/nf_conntrack", "kernel/net/netfilter/nf_conntrack_netlink",
	"kernel/net/netfilter/nfnetlink", "kernel/net/netfilter/nfnetlink_log", "kernel/net/netfilter/nf_log_syslog",
	"kernel/net/netfilter/nft_ct", "kernel/net/netfilter/nft_limit", "kernel/net/netfilter/nft_log", "kernel/net/netfilter/nft_quota",
	"kernel/net/netfilter/nft_connlimit", "kernel/net/netfilter/nft_fib", "kernel/net/netfilter/nft_fib_inet", "kernel/net/netfilter/nft_hash",
	"kernel/net/netfilter/nft_numgen", "kernel/net/netfilter/nft_reject", "kernel/net/netfilter/nft_reject_inet", "kernel/net/netfilter/nft_socket",
	"kernel/net/ipv4/netfilter/nft_*", "kernel/net/ipv6/netfilter/nft_*", "kernel/net/ipv4/netfilter/nf_reject_ipv4", "kernel/net/ipv6/netfilter/nf_reject_ipv6",
}
