package sizing

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes renders a byte count for people: "512 B", "14.6 MiB", "4 GiB".
func Bytes(v float64) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for i < len(units)-1 && v >= 1024 {
		v /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%s%.0f B", sign, v)
	}
	return sign + strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " " + units[i]
}

// Count renders a number with thousands separators and, below ten, up to two
// decimals: "13,600", "0.45", "2.5".
func Count(v float64) string {
	if math.Abs(v) < 10 {
		s := strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
		if s == "-0" {
			return "0"
		}
		return s
	}
	s := strconv.FormatFloat(math.Abs(math.Round(v)), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 {
		return "-" + s
	}
	return s
}

// Bits renders a rate in bits per second for people: "640 bit/s", "1.5 Gbit/s".
func Bits(v float64) string {
	units := []string{"", "k", "M", "G", "T"}
	i := 0
	for i < len(units)-1 && math.Abs(v) >= 1000 {
		v /= 1000
		i++
	}
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) + " " + units[i] + "bit/s"
}

// Format renders the value of a figure with its unit.
func (f Figure) Format() string { return f.format(f.Value) }

// FormatRange renders the ends of a figure with its unit, "3.4 GiB to 3.5 GiB" or
// "1,100 to 1,500 calls/s"; empty when it has none, or none that can be told apart.
func (f Figure) FormatRange() string {
	low, high := f.format(f.Low), f.format(f.High)
	if !f.Ranged() || low == high {
		return ""
	}
	switch f.Unit {
	case "B", "bit/s", "1":
		return low + " to " + high
	}
	return strings.TrimSuffix(low, " "+f.Unit) + " to " + high
}

func (f Figure) format(v float64) string {
	switch f.Unit {
	case "B":
		return Bytes(v)
	case "bit/s":
		return Bits(v)
	case "1":
		return Count(v)
	}
	return Count(v) + " " + f.Unit
}

// list joins names for people: "a", "a and b", "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
