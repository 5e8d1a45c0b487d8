package vm

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// loggedDisk are QEMU's options for a disk whose writes are logged, by its filter blklogwrites.
//
// Flushes end at the filter: that the file survives a crash of this host is of no use. Writes of
// zeros arrive as writes, since two at once could share a place in the log (QEMU 7.2,
// blk_log_writes_co_do_log).
func (c *Config) loggedDisk() ([]string, error) {
	if c.Bus != "" && c.Bus != Virtio {
		return nil, fmt.Errorf("disk: the log of writes is one of a virtio disk, not of %s", c.Bus)
	}
	log, err := os.OpenFile(c.WriteLog, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of writes: %w", err)
	}
	st, err := log.Stat()
	if err = errors.Join(err, log.Close()); err != nil {
		return nil, fmt.Errorf("log of writes: %w", err)
	}
	return []string{
		"-blockdev", strings.Join([]string{
			"driver=blklogwrites,node-name=disk,log-append=" + onOff(st.Size() > 0),
			"file.driver=file,file.cache.no-flush=on,file.filename=" + escape(c.Disk),
			"log.driver=file,log.cache.no-flush=on,log.filename=" + escape(c.WriteLog),
		}, ","),
		"-device", "virtio-blk-pci,drive=disk,bootindex=0,write-zeroes=off",
	}, nil
}
