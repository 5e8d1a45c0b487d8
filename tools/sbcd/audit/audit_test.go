package audit

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"trunkline/appliance/runtime"
	"trunkline/image/measure"
)

const (
	tcpHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	// 10.0.0.5:5060, 192.0.2.1 is 010200C0 there.
	udpListener = "  1: 0500000A:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000   900        0 4711 2 0 0\n"
	tcpListener = "  0: 0500000A:13C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000   900        0 4712 1 0 0\n"
)

// good is a machine on which everything holds.
func good() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }
	return fstest.MapFS{
		"etc/passwd":           file("root:!*:0:0:root:/root:/usr/sbin/nologin\nsbcd:!*:900:900:Proxy:/run/sbcd:/usr/sbin/nologin\nsystemd-timesync:!*:991:991::/:/usr/sbin/nologin\n"),
		"proc/self/net/udp":    file(tcpHead + udpListener),
		"proc/self/net/tcp":    file(tcpHead + tcpListener + "  1: 0500000A:C350 010200C0:13C4 01 0:0 0:0 0 900 0 4713 1 0 0\n"), // a connection of ours
		"proc/self/net/raw":    file(tcpHead),
		"proc/self/net/raw6":   file(tcpHead),
		"proc/self/net/tcp6":   file(tcpHead),
		"proc/self/net/udp6":   file(tcpHead + "  1: B80D0120000000000000000001000000:13C4 00000000000000000000000000000000:0000 07 0:0 0:0 0 900 0 4714 2 0 0\n"),
		"proc/self/net/packet": file("sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
		"proc/self/mounts": file("/dev/loop0 / erofs ro,nodev 0 0\ntmpfs /run tmpfs rw,nosuid,nodev,noexec,size=20% 0 0\n" +
			"devtmpfs /dev devtmpfs rw,nosuid,noexec,mode=755 0 0\n"),
		"proc/sys/kernel/sysrq":                       file("0\n"),
		"proc/sys/net/ipv4/udp_mem":                   file("1\t2\t3\n"),
		"proc/sys/net/ipv4/conf/all/accept_redirects": file("0\n"),
		"proc/sys/net/ipv4/conf/wan/accept_redirects": file("0\n"),
		"usr/lib/sysctl.d/60-trunkline.conf":          file("# a comment\nkernel.sysrq = 0\nnet.ipv4.conf.*.accept_redirects = 0\n"),
		"etc/sysctl.d/90-trunkline.conf":              file("net.ipv4.udp_mem = 1 2 3\n"),
		"sys/kernel/security/lockdown":                file("none [integrity] confidentiality\n"),
		"usr/bin/sbcd":                                {Data: []byte("x"), Mode: 0o755},
		"usr/lib/systemd/systemd":                     {Data: []byte("x"), Mode: 0o755},
	}
}

// A value of PCR 11, as the kernel shows it, and the signature of an image for it.
const pcrText = "0000000000000000000000000000000000000000000000000000000000000000\n"

var pcrSignatures = fmt.Sprintf(`{"sha256":[{"pcrs":[11],"pkfp":"00","pol":"%x","sig":""}]}`, measure.Policy([32]byte{}))

func config() *runtime.Appliance {
	return &runtime.Appliance{Listeners: []runtime.Listener{
		{Name: "wan", Transport: "udp", Address: netip.MustParseAddrPort("10.0.0.5:5060")},
		{Name: "wan-tcp", Transport: "tcp", Address: netip.MustParseAddrPort("10.0.0.5:5060")},
		{Name: "six", Transport: "udp", Address: netip.MustParseAddrPort("[2001:db8::1]:5060")},
	}}
}

func TestAudit(t *testing.T) {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }
	appendTo := func(name, s string) func(fstest.MapFS) {
		return func(m fstest.MapFS) { m[name] = text(string(m[name].Data) + s) }
	}
	set := func(name string, f *fstest.MapFile) func(fstest.MapFS) {
		return func(m fstest.MapFS) { m[name] = f }
	}
	both := func(a, b func(fstest.MapFS)) func(fstest.MapFS) {
		return func(m fstest.MapFS) { a(m); b(m) }
	}
	for _, c := range []struct {
		name  string
		spoil func(fstest.MapFS)
		check string
		want  string // in the line of the check; empty: all hold
	}{
		{"as it should be", func(fstest.MapFS) {}, "sockets", ""},
		{"the time client's socket", appendTo("proc/self/net/udp", "  2: 00000000:A000 00000000:0000 07 0:0 0:0 0 991 0 4715 2 0 0\n"), "sockets", ""},
		{"a kernel without IPv6 has no listener there", func(m fstest.MapFS) { delete(m, "proc/self/net/udp6"); delete(m, "proc/self/net/tcp6") }, "sockets", "[2001:db8::1]:5060 is a listener of the spec, and not open"},
		{"a port nobody asked for", appendTo("proc/self/net/tcp", "  2: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 4715 1 0 0\n"), "sockets", "tcp 0.0.0.0:22 is open, of user root"},
		{"an unknown user's", appendTo("proc/self/net/udp", "  2: 00000000:0044 00000000:0000 07 0:0 0:0 0 77 0 4715 2 0 0\n"), "sockets", "udp 0.0.0.0:68 is open, of user 77"},
		{"a sniffer", appendTo("proc/self/net/packet", "0000 3 3 0003 2 1 0 0 4716\n"), "sockets", "1 packet sockets"},
		{"a raw socket", appendTo("proc/self/net/raw6", "  2: 0:003A 0:0 07 0:0 0:0 0 0 0 4715 2 0 0\n"), "sockets", "1 raw IPv6 sockets"},
		{"a listener that is not open", set("proc/self/net/tcp", text(tcpHead)), "sockets", "tcp 10.0.0.5:5060 is a listener of the spec, and not open"},
		{"an address not understood", appendTo("proc/self/net/tcp", "  2: XY:0016 0:0 0A 0:0 0:0 0 0 0 4715 1 0 0\n"), "sockets", "is no address"},
		{"no table", func(m fstest.MapFS) { delete(m, "proc/self/net/udp") }, "sockets", "proc/self/net/udp"},
		{"a setting that did not take", set("proc/sys/kernel/sysrq", text("438\n")), "kernel settings", `is "438", and should be "0"`},
		{"of one interface", set("proc/sys/net/ipv4/conf/wan/accept_redirects", text("1\n")), "kernel settings", `conf/wan/accept_redirects is "1"`},
		{"a setting the kernel does not know", func(m fstest.MapFS) { delete(m, "proc/sys/kernel/sysrq") }, "kernel settings", "kernel.sysrq is not known"},
		{"a line that is none", appendTo("etc/sysctl.d/90-trunkline.conf", "nonsense\n"), "kernel settings", "not understood"},
		{"no file of settings", func(m fstest.MapFS) { delete(m, "usr/lib/sysctl.d/60-trunkline.conf") }, "kernel settings", "60-trunkline.conf"},
		{"no lockdown", set("sys/kernel/security/lockdown", text("[none] integrity confidentiality\n")), "lockdown", "not locked down"},
		{"a TPM, and an image that was not signed for it", set(pcrFile, text(pcrText)), "measured boot", ""},
		{"the TPM holds what was signed", both(set(pcrFile, text(pcrText)), set(signaturesFile, text(pcrSignatures))), "measured boot", ""},
		{"the TPM holds something else", both(set(pcrFile, text(strings.Repeat("7", 64)+"\n")), set(signaturesFile, text(pcrSignatures))), "measured boot", "no signature of the image is of this value"},
		{"a register that is none", set(pcrFile, text("12\n")), "measured boot", "is no SHA-256"},
		{"signatures that are none", both(set(pcrFile, text(pcrText)), set(signaturesFile, text("{"))), "measured boot", "damaged"},
		{"programs where one can write", appendTo("proc/self/mounts", "tmpfs /srv tmpfs rw,nosuid,nodev 0 0\n"), "mounts", "/srv (tmpfs) can be written and is mounted without noexec"},
		{"devices where one can write", appendTo("proc/self/mounts", "tmpfs /srv tmpfs rw,nosuid,noexec 0 0\n"), "mounts", "without nodev"},
		{"no mounts", set("proc/self/mounts", text("")), "mounts", "is empty"},
		{"a set-id bit", set("usr/bin/mount", &fstest.MapFile{Mode: 0o755 | fs.ModeSetuid}), "programs", "/usr/bin/mount has a set-id bit"},
		{"a file for everybody", set("usr/share/x", &fstest.MapFile{Mode: 0o666}), "programs", "/usr/share/x may be written by everybody"},
		{"a shell", set("usr/bin/dash", &fstest.MapFile{Mode: 0o755}), "programs", "/usr/bin/dash would serve as a shell"},
		{"an interpreter", set("usr/bin/python3.13", &fstest.MapFile{Mode: 0o755}), "programs", "/usr/bin/python3.13"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := good()
			c.spoil(m)
			for _, got := range Run(m, config()) {
				switch {
				case c.want != "" && got.Name == c.check:
					if !strings.Contains(got.String(), "FAILED") || !strings.Contains(got.String(), c.want) {
						t.Errorf("%s; want %q in it", got, c.want)
					}
				case len(got.Bad) > 0:
					t.Errorf("%s", got)
				}
			}
		})
	}
}

// A relay has its control sockets and its ports open, on its addresses, and nothing else; the
// ports are nobody else's.
func TestAuditOfRelays(t *testing.T) {
	const (
		control = "  4: 0100007F:08AF 00000000:0000 07 0:0 0:0 0 901 0 4720 2 0 0\n" // 127.0.0.1:2223
		stream  = "  5: 0500000A:7530 00000000:0000 07 0:0 0:0 0 901 0 4721 2 0 0\n" // 10.0.0.5:30000
	)
	for _, c := range []struct{ name, rows, want string }{
		{"a call", control + stream, "1 of 1 sockets for commands to media relays, 1 for media"},
		{"no call", control, "0 for media"},
		{"it does not run", "", "udp 127.0.0.1:2223 takes commands for a media relay of the spec, and is not open"},
		{"beyond its ports", control + strings.ReplaceAll(stream, ":7530", ":EA60"), "udp 10.0.0.5:60000 is open, of user rtpengine"},
		{"on another address", control + strings.ReplaceAll(stream, "0500000A", "00000000"), "udp 0.0.0.0:30000 is open, of user rtpengine"},
		{"somebody else among its ports", control + strings.ReplaceAll(stream, " 901 ", " 0 "), "udp 10.0.0.5:30000 is open, of user root"},
		{"somebody else takes its commands", strings.ReplaceAll(control, " 901 ", " 0 "), "udp 127.0.0.1:2223 is open, of user root"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := good()
			m["etc/passwd"].Data = append(m["etc/passwd"].Data, "rtpengine:!*:901:901:Relay:/:/usr/sbin/nologin\n"...)
			m["proc/self/net/udp"].Data = append(m["proc/self/net/udp"].Data, c.rows...)
			cfg := config()
			cfg.Media = &runtime.Media{Instances: []runtime.MediaInstance{
				{Name: "far", Control: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.31:2223")}},
				{Name: "here", Local: true, Control: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:2223")},
					Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.5")}, FirstPort: 30000, LastPort: 59999},
			}}
			for _, got := range Run(m, cfg) {
				if got.Name != "sockets" {
					continue
				}
				if bad := strings.Contains(c.want, "is open") || strings.Contains(c.want, "not open"); bad != (len(got.Bad) > 0) || !strings.Contains(got.String(), c.want) {
					t.Errorf("%s; want %q in it", got, c.want)
				}
			}
		})
	}
}
