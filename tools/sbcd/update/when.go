package update

import (
	"fmt"
	"time"

	"trunkline/appliance/runtime"
)

const day = 24 * time.Hour

// Restart says whether this is the moment to boot an image that waits, and if not, when it
// is; the zero time: whenever somebody restarts the machine.
func Restart(c *runtime.Update, now time.Time) (due bool, at time.Time, err error) {
	switch c.Reboot {
	case runtime.RebootAtOnce:
		return true, now, nil
	case runtime.RebootManual:
		return false, time.Time{}, nil
	case runtime.RebootWindow:
	default:
		return false, time.Time{}, fmt.Errorf("update: reboot %q is none of window, manual and at-once", c.Reboot)
	}
	from, err := clock(c.RebootAt)
	if err != nil {
		return false, time.Time{}, err
	}
	last, err := clock(c.WindowLast)
	if err != nil {
		return false, time.Time{}, err
	}
	now = now.UTC()
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	into := (now.Sub(midnight) - from + day) % day
	if into < (last-from+day)%day {
		return true, now, nil
	}
	return false, now.Add(day - into).Truncate(time.Minute), nil
}

// clock reads a time of the day, "02:41".
func clock(s string) (time.Duration, error) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("update: %q is no time of the day", s)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}
