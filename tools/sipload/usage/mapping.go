package usage

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Mapping is how large the mappings of a process are whose path begins with prefix, and how
// much of them is in main memory, bytes (proc_pid_smaps(5)). It fails where there is none.
func Mapping(pid int, prefix string) (size, resident int64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	within := false
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		field := strings.Fields(lines.Text())
		switch {
		case len(field) > 0 && !strings.HasSuffix(field[0], ":"): // the head of a mapping; its path comes sixth
			within = len(field) > 5 && strings.HasPrefix(field[5], prefix)
		case within && len(field) == 3 && field[2] == "kB":
			kb, err := strconv.ParseInt(field[1], 10, 64)
			if err != nil {
				return 0, 0, fmt.Errorf("smaps of process %d: %w", pid, err)
			}
			switch field[0] {
			case "Size:":
				size += kb << 10
			case "Rss:":
				resident += kb << 10
			}
		}
	}
	if err := lines.Err(); err != nil {
		return 0, 0, err
	}
	if size == 0 {
		return 0, 0, fmt.Errorf("process %d maps nothing that begins with %s", pid, prefix)
	}
	return size, resident, nil
}
