package bake

import "trunkline/appliance/spec"

// machineFiles are for the board of bare metal: its watchdog restarts a machine whose
// kernel or service manager has hung (systemd-system.conf(5)). A hypervisor watches over
// its guests itself.
func machineFiles(h *spec.Hardware, head string) []File {
	if h.Platform != spec.PlatformBaremetal {
		return nil
	}
	return []File{text("etc/systemd/system.conf.d/20-watchdog.conf", head+
		"\n[Manager]\n# Without a watchdog on the board nothing comes of it.\nRuntimeWatchdogSec=30s\nRebootWatchdogSec=5min\n")}
}
