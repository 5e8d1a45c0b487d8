package spec

import (
	"strings"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		in   string
		want uint64
		err  string // part of the error
	}{
		{"16GiB", 16 << 30, ""},
		{"1.5 MiB", 3 << 19, ""},
		{"512B", 512, ""},
		{"2TiB", 2 << 40, ""},
		{"16GB", 0, `write "16GiB"`},
		{"16G", 0, `write "16GiB"`},
		{"16gib", 0, `write "16GiB"`},
		{"64k", 0, `write "64KiB"`},
		{"16", 0, "no unit"},
		{"", 0, "not a size"},
		{"-1GiB", 0, "not a size"},
		{"1e3GiB", 0, "not a size"},
		{"16 parsecs", 0, "unknown unit"},
		{"99999999999999TiB", 0, "too large"},
		{strings.Repeat("9", 400) + "B", 0, "too large"},
	} {
		got, err := parseSize(c.in)
		check(t, c.in, got, err, c.want, c.err)
	}
}

func TestParseRate(t *testing.T) {
	for _, c := range []struct {
		in   string
		want uint64
		err  string
	}{
		{"10Gbps", 10e9, ""},
		{"2.5Gbps", 25e8, ""},
		{"100Mbps", 100e6, ""},
		{"10gbps", 0, `write "10Gbps"`},
		{"10Gbit/s", 0, `write "10Gbps"`},
		{"10Gb/s", 0, `write "10Gbps"`},
		{"10G", 0, `write "10Gbps"`},
		{"10", 0, "no unit"},
		{"fast", 0, "not a rate"},
	} {
		got, err := parseRate(c.in)
		check(t, c.in, got, err, c.want, c.err)
	}
}

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration
		err  string
	}{
		{"30s", 30 * time.Second, ""},
		{"1m30s", 90 * time.Second, ""},
		{"500ms", 500 * time.Millisecond, ""},
		{"30", 0, `write "30s"`},
		{"2d", 0, `write "48h"`},
		{"soon", 0, "not a duration"},
		{"", 0, "not a duration"},
	} {
		got, err := parseDuration(c.in)
		check(t, c.in, got, err, c.want, c.err)
	}
}

func check[T comparable](t *testing.T, in string, got T, err error, want T, wantErr string) {
	t.Helper()
	if len(in) > 40 {
		in = in[:40] + "..."
	}
	switch {
	case wantErr == "" && err != nil:
		t.Errorf("%q: %v", in, err)
	case wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)):
		t.Errorf("%q: error %v, want one with %q", in, err, wantErr)
	case got != want:
		t.Errorf("%q: %v, want %v", in, got, want)
	}
}

func TestFormats(t *testing.T) {
	for want, got := range map[string]string{
		"0B":       formatSize(0),
		"1500B":    formatSize(1500),
		"64KiB":    formatSize(64 << 10),
		"16GiB":    formatSize(16 << 30),
		"2500Mbps": formatRate(25e8),
		"30m":      shortDuration(30 * time.Minute),
		"24h":      shortDuration(24 * time.Hour),
		"1m30s":    shortDuration(90 * time.Second),
		"0s":       shortDuration(0),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestClosest(t *testing.T) {
	names := []string{"core", "overflow", "carrier-a", "hash-callid"}
	for given, want := range map[string]string{
		"cor":         "core",
		"Core":        "core",
		"CARRIER_A":   "carrier-a",
		"over-flow":   "overflow",
		"hash_callid": "hash-callid",
		"hash-call":   "hash-callid",
		"x":           "",
		"entirely":    "",
		"":            "",
	} {
		if got := closest(given, names); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
