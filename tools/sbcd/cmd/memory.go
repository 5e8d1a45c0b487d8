package cmd

import (
	"fmt"

	"github.com/prometheus/procfs"
)

// Memory is that of the machine, as its kernel counts it, bytes.
type Memory struct {
	Total uint64 `json:"total_bytes"` // MemTotal: without what firmware and kernel keep for themselves
	// Used is MemTotal - MemAvailable: what cannot be given to somebody else without
	// swapping. The root image and the page tables are in it, caches of files are not.
	Used uint64 `json:"used_bytes"`
}

// machineMemory reads the kernel's figures (proc_meminfo(5)); nil where there are none.
func machineMemory() *Memory {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil
	}
	m, err := fs.Meminfo()
	if err != nil || m.MemTotalBytes == nil || m.MemAvailableBytes == nil || *m.MemAvailableBytes > *m.MemTotalBytes {
		return nil
	}
	return &Memory{Total: *m.MemTotalBytes, Used: *m.MemTotalBytes - *m.MemAvailableBytes}
}

func (m *Memory) String() string {
	const mib = 1 << 20
	return fmt.Sprintf("%d of %d MiB", (m.Used+mib-1)/mib, m.Total/mib)
}
