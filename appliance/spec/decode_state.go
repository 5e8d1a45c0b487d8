package spec

import "time"

// pageSizes are those of huge pages on x86-64 (kernel: Documentation/admin-guide/mm/hugetlbpage.rst).
var pageSizes = map[string]uint64{"off": 0, "2MiB": 2 << 20, "1GiB": 1 << 30}

// Where calls in progress are kept, and when they are written.
const (
	PersistDisk     = "disk"
	PersistDatabase = "database"
	PersistDelayed  = "delayed"
	PersistAtOnce   = "at-once"
)

func (d *decoder) state(root *section, s *Spec) {
	s.State = State{HighWater: 0.9}
	sec := root.one("state")
	if sec == nil {
		return
	}
	s.State = State{
		HighWater: sec.ratio("high_water", 0.9),
		HugePages: pageSizes[sec.oneOf("hugepages", "off", []string{"off", "2MiB", "1GiB"}, nil)],
		Range:     sec.def,

		MemoryRange: sec.rng("memory"), HighWaterRange: sec.rng("high_water"), HugePagesRange: sec.rng("hugepages"),
	}
	if s.State.HugePages > 0 && s.Hardware.Mismatch == MismatchResize {
		d.errorf(s.State.HugePagesRange, "Huge pages of a machine not known", "They are set aside when the kernel starts, before sbcd sees how much memory there is, so a smaller machine may have none left for anything else. Remove hugepages, or write mismatch = \"refuse\" or \"warn\" in the hardware block.")
	}
	if p := sec.one("persistence"); p != nil {
		s.State.Persistence = d.persistence(p)
	}
	v, ok := sec.value("memory")
	if !ok || isText(v) && v.AsString() == "auto" {
		return
	}
	s.State.Memory = sec.size("memory", mebibyte, 1<<44, 0)
	if hw := s.Hardware.Memory; hw > 0 && s.State.Memory >= hw {
		d.errorf(s.State.MemoryRange, "More state than memory", "The state takes %s and the hardware has %s in all. Write less, or \"auto\" for what the workload needs.", formatSize(s.State.Memory), formatSize(hw))
	}
	if page := s.State.HugePages; page > 0 && s.State.Memory > 0 && s.State.Memory%page != 0 {
		whole := (s.State.Memory/page + 1) * page
		d.warnf(s.State.MemoryRange, "Memory between pages", "%s of state take %s in pages of %s. Write memory = %q to use what is taken anyway, or smaller pages.", formatSize(s.State.Memory), formatSize(whole), formatSize(page), formatSize(whole))
	}
}

func (d *decoder) persistence(sec *section) *Persistence {
	to, sure := sec.choice("to", PersistDisk, []string{PersistDisk, PersistDatabase}, nil)
	p := &Persistence{
		To:       to,
		Database: sec.str("database", ""),
		Mode:     sec.oneOf("mode", PersistDelayed, []string{PersistDelayed, PersistAtOnce}, nil),
		Interval: sec.duration("interval", time.Second, time.Minute, 10*time.Second),
		Range:    sec.def,

		DatabaseRange: sec.rng("database"), ModeRange: sec.rng("mode"),
	}
	switch {
	case !sure || !sec.stated("to"):
	case to == PersistDatabase && !sec.stated("database") && !sec.typos["database"]:
		d.errorf(sec.def, "Missing database", "Calls in progress go to a database. Name its block: database = \"NAME\".")
	case to == PersistDisk && sec.stated("database"):
		d.errorf(p.DatabaseRange, "Database of a disk", "Calls in progress go to the disk, and no database is asked. Remove database, or write to = \"database\".")
	}
	if p.Mode == PersistAtOnce {
		if sec.stated("interval") {
			d.errorf(sec.rng("interval"), "Interval without batches", "With mode = \"at-once\" each change is on its way within a fifth of a second, so there is no interval. Remove it, or write mode = \"delayed\".")
		}
		p.Interval = 0
	}
	return p
}
