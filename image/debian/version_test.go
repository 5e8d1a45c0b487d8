package debian

import (
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

func TestCompareVersions(t *testing.T) {
	// Each is less than the next.
	ascending := []string{"0~~", "0~~a", "0~", "0", "0.0", "0.1", "0.1+b1", "0.2~rc1", "0.2", "0.2-0.1", "0.2-1~deb13u1", "0.2-1", "0.2-1+deb13u1",
		"0.2-10", "0.20", "1.0a", "1.0+", "20260101000000000000000000000001", "1:0", "2:0~1"}
	for i, a := range ascending {
		for j, b := range ascending {
			if got := CompareVersions(a, b); got != sign(i-j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	for _, eq := range [][2]string{{"1", "0:1"}, {"1", "1-0"}, {"1.01", "1.1"}, {"1-00", "1"}} {
		if CompareVersions(eq[0], eq[1]) != 0 {
			t.Errorf("%s and %s must be equal", eq[0], eq[1])
		}
	}
}

func TestCompareVersionsAgreesWithDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("dpkg is not on this machine:", err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		a := randomVersion(rng)
		b := mutate(rng, a)
		want := 0
		if exec.Command("dpkg", "--compare-versions", a, "lt", b).Run() == nil {
			want = -1
		} else if exec.Command("dpkg", "--compare-versions", a, "gt", b).Run() == nil {
			want = 1
		}
		if got := CompareVersions(a, b); got != want {
			t.Errorf("%s against %s: %d, dpkg says %d", a, b, got, want)
		}
		if CompareVersions(b, a) != -want {
			t.Errorf("%s against %s is not symmetric", a, b)
		}
	}
}

func randomVersion(rng *rand.Rand) string {
	var b strings.Builder
	if rng.IntN(4) == 0 {
		b.WriteString([]string{"0:", "1:", "2:"}[rng.IntN(3)])
	}
	b.WriteByte('0' + byte(rng.IntN(10)))
	for range rng.IntN(8) {
		b.WriteString([]string{"0", "1", "9", "10", ".", "+", "~", "a", "Z", "rc", "-"}[rng.IntN(11)])
	}
	if rng.IntN(2) == 0 {
		b.WriteString("-1")
	}
	s := b.String()
	if strings.HasSuffix(s, "-") {
		s += "0" // an empty revision is malformed
	}
	return s
}

// mutate changes a little, so that comparisons are close ones.
func mutate(rng *rand.Rand, v string) string {
	if rng.IntN(3) == 0 {
		return randomVersion(rng)
	}
	at := len(v) - rng.IntN(min(len(v), 4))
	if i := strings.IndexByte(v, ':'); at <= i+1 {
		at = len(v)
	}
	return v[:at] + []string{"0", "1", "~", "+", "a", ".", "~1", "00"}[rng.IntN(8)] + v[at:]
}
