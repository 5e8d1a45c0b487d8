package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What systemd can open stays; of what it cannot open the name and the reason are told, and
// it goes, for systemd would not start sbcd beside it.
func TestCredentials(t *testing.T) {
	if _, err := exec.LookPath("systemd-creds"); err != nil {
		t.Skip("systemd-creds is not installed: run ci/setup test")
	}
	seal := func(name string, args ...string) []byte {
		cmd := exec.Command("systemd-creds", append(append([]string{"encrypt", "--with-key=tpm2-absent", "--name=" + name}, args...), "-", "-")...)
		cmd.Stdin = strings.NewReader("a secret")
		b, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	store := t.TempDir()
	for name, b := range map[string][]byte{
		"edge.ended": seal("edge.ended", "--timestamp=2020-01-01", "--not-after=2020-01-02"),
		"edge.good":  seal("edge.good"),
		"edge.name":  seal("edge.other"),
		"edge.plain": []byte("-----BEGIN PRIVATE KEY-----\n"),
	} {
		if err := os.WriteFile(filepath.Join(store, name), b, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr, code := sbcd(t, "credentials", "--store", store)
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	for i, name := range []string{"edge.ended", "edge.name", "edge.plain"} {
		want := "trunkline: credential " + name + " on the EFI system partition cannot be opened: "
		if len(lines) != 3 || !strings.HasPrefix(lines[i], want) || !strings.Contains(lines[i], "--name="+name) {
			t.Errorf("line %d is not %q...: %q", i, want, lines)
			break
		}
		t.Log(lines[i])
	}
	if strings.Contains(stdout, "Warning") {
		t.Errorf("a warning is told for the reason: %s", stdout)
	}
	if strings.Contains(stdout, "a secret") {
		t.Errorf("a secret is told: %s", stdout)
	}
	left, err := os.ReadDir(store)
	if err != nil || len(left) != 1 || left[0].Name() != "edge.good" {
		t.Errorf("left are %v, %v", left, err)
	}

	if stdout, stderr, code := sbcd(t, "credentials", "--store", filepath.Join(store, "none")); code != 0 || stdout+stderr != "" {
		t.Errorf("without a store: exit %d, %s%s", code, stdout, stderr)
	}
}
