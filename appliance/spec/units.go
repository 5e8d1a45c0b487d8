package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var quantity = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z/]*)$`)

type unitFactor struct {
	name   string
	factor float64
}

// Sizes are binary alone: "16GB" on a memory module means 16 GiB, on a disk
// 14.9, and a plan must not guess.
var sizeUnits = []unitFactor{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

var rateUnits = []unitFactor{{"bps", 1}, {"kbps", 1e3}, {"Mbps", 1e6}, {"Gbps", 1e9}, {"Tbps", 1e12}}

// ParseSize reads a size as specs write them, "4GiB", in bytes.
func ParseSize(text string) (uint64, error) { return parseSize(text) }

func parseSize(text string) (uint64, error) { return parseUnit(text, "size", sizeUnits) }

func parseRate(text string) (uint64, error) { return parseUnit(text, "rate", rateUnits) }

func parseUnit(text, what string, units []unitFactor) (uint64, error) {
	var names []string
	for _, u := range units {
		names = append(names, u.name)
	}
	m := quantity.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is not a %s: write a number and one of the units %s", text, what, strings.Join(names, ", "))
	}
	number, unit := m[1], m[2]
	for _, u := range units {
		if u.name != unit {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n*u.factor >= math.MaxInt64 {
			return 0, fmt.Errorf("%q is too large a %s", text, what)
		}
		return uint64(math.Round(n * u.factor)), nil
	}
	if unit == "" {
		return 0, fmt.Errorf("%q has no unit: write one of %s", text, strings.Join(names, ", "))
	}
	if u := meantUnit(unit, names); u != "" {
		return 0, fmt.Errorf("%q has an unknown unit: write %q", text, number+u)
	}
	return 0, fmt.Errorf("%q has an unknown unit: write one of %s", text, strings.Join(names, ", "))
}

// meantUnit maps usual other spellings (GB, G, gib, Gbit/s) to ours.
func meantUnit(unit string, names []string) string {
	u := strings.ToLower(unit)
	u = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(u, "it/s"), "/s"), "it")
	for _, n := range names {
		l := strings.ToLower(n)
		// 16G, 16GB, 16gib; 10G, 10Gb (from 10Gbit/s), 10gbps
		if u == l || len(l) > 1 && (u == l[:1] || u == l[:1]+"b") && n != "bps" {
			return n
		}
	}
	return ""
}

func formatSize(n uint64) string { return formatUnit(n, sizeUnits) }

func formatRate(n uint64) string { return formatUnit(n, rateUnits) }

func formatUnit(n uint64, units []unitFactor) string {
	best := units[0]
	for _, u := range units {
		if n > 0 && math.Mod(float64(n), u.factor) == 0 {
			best = u
		}
	}
	return strconv.FormatUint(n/uint64(best.factor), 10) + best.name
}

var daySpan = regexp.MustCompile(`^([0-9]{1,4})d$`)

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil {
		return d, nil
	}
	if _, numErr := strconv.ParseFloat(text, 64); numErr == nil {
		return 0, fmt.Errorf("%q has no unit: write %q, or ms, m, h", text, text+"s")
	}
	if m := daySpan.FindStringSubmatch(text); m != nil {
		days, _ := strconv.Atoi(m[1])
		return 0, fmt.Errorf("%q is in days, which durations do not have: write %q", text, fmt.Sprintf("%dh", days*24))
	}
	return 0, fmt.Errorf("%q is not a duration: write a number and one of the units ms, s, m, h", text)
}

// shortDuration renders 30m as 30m, not as 30m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
