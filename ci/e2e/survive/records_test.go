package survive

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
)

// records reads the call records of all processes: how many there are, of how many calls, and by
// cause.
func (s *service) records() (lines, calls int, causes map[string]int) {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.state, "records", "*.jsonl"))
	if err != nil || len(files) == 0 {
		s.Fatalf("no file of records: %v", err)
	}
	seen, causes := map[string]bool{}, map[string]int{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			s.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			var r struct {
				CallID string `json:"call_id"`
				Cause  string `json:"cause"`
			}
			if err := json.Unmarshal(line, &r); err != nil {
				s.Fatalf("%s: %v: %s", f, err, line)
			}
			lines++
			seen[r.CallID] = true
			causes[r.Cause]++
		}
	}
	return lines, len(seen), causes
}
