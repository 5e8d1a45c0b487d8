package update

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"trunkline/appliance/durable"
)

// RecordPath is where the appliance keeps what its last look found: until the next boot.
const RecordPath = "/run/trunkline/update.json"

// maxRecord bounds the file, bytes.
const maxRecord = 64 << 10

// Record is what is known of updates, for `sbcd status` and metrics.
type Record struct {
	Looked    time.Time `json:"looked,omitzero"`     // the last time
	Result    Result    `json:"result"`              // of that look
	Since     time.Time `json:"since,omitzero"`      // the first look in a row with this result
	Announced string    `json:"announced,omitempty"` // version the server has
	Reason    string    `json:"reason,omitempty"`    // with result "fell-back": why that version did not come up
	Kind      Kind      `json:"kind,omitempty"`      // of the error
	Error     string    `json:"error,omitempty"`     // with result "failed"
	// Waiting is the version that the next boot starts, and RestartAt when the appliance
	// restarts by itself for it; without, it is when somebody restarts the machine.
	Waiting   string     `json:"waiting,omitempty"`
	RestartAt *time.Time `json:"restart_at,omitempty"`
}

// Changed says whether r tells something else than an earlier record: when it does not,
// nobody has to hear of it again.
func (r Record) Changed(before *Record) bool {
	return before == nil || r.Result != before.Result || r.Announced != before.Announced || r.Kind != before.Kind || r.Waiting != before.Waiting
}

// String is the record as one line.
func (r Record) String() string {
	waiting := ""
	if r.Waiting != "" {
		waiting = fmt.Sprintf("version %s is installed and is booted when somebody restarts the machine", r.Waiting)
		if r.RestartAt != nil {
			waiting = fmt.Sprintf("version %s is installed and is booted at %s UTC", r.Waiting, r.RestartAt.UTC().Format("2006-01-02 15:04"))
		}
	}
	var s string
	switch r.Result {
	case Current:
		s = fmt.Sprintf("version %s runs, and is the newest", r.Announced)
	case Older:
		s = fmt.Sprintf("version %s is announced, which is older than the one that runs: it is left", r.Announced)
	case FellBack:
		s = fmt.Sprintf("version %s was tried and did not come up (%s): it is left; publish a newer one", r.Announced, r.Reason)
	case OnTrial:
		s = "the version that runs is on trial: no other is looked for until it is found good"
	case Available:
		s = fmt.Sprintf("version %s can be installed", r.Announced)
	case Installed, Waiting:
		if waiting != "" {
			return waiting
		}
		s = fmt.Sprintf("version %s is installed", r.Announced)
	case Withdrawn:
		s = fmt.Sprintf("the version that waited is published no more and was taken away; %s is announced", r.Announced)
	case NotYet:
		s = "no look since the boot"
	default:
		s = "failed: " + r.Error
	}
	if waiting != "" {
		s += "; " + waiting
	}
	return s
}

// ReadRecord reads the record; nil: there was no look yet.
func ReadRecord(path string) (*Record, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	if st, err := f.Stat(); err != nil || st.Size() > maxRecord {
		return nil, fmt.Errorf("%s is no record of updates (%v)", path, err)
	}
	var r Record
	if err := json.NewDecoder(f).Decode(&r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}

// WriteRecord replaces the record.
func WriteRecord(path string, r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return durable.Write(path, 0o644, append(b, '\n'))
}
