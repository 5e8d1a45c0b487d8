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

// Format renders the value of a figure with its unit.
func (f Figure) Format() string {
	switch f.Unit {
	case "B":
		return Bytes(f.Value)
	case "1":
		return Count(f.Value)
	}
	return Count(f.Value) + " " + f.Unit
}

// list joins names for people: "a", "a and b", "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
