package measure

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// parts are the sections of an image.
type parts map[string][]byte

func (p parts) Content(name string) []byte { return p[name] }

func testParts(key *Key) parts {
	return parts{
		".linux": bytes.Repeat([]byte("kernel "), 9000), ".osrel": []byte("ID=debian\n"), ".cmdline": []byte("console=ttyS0 panic=10"),
		".initrd": bytes.Repeat([]byte{1, 2, 3}, 70000), ".pcrpkey": key.PEM(),
	}
}

func testKey(t *testing.T) (*Key, *rsa.PrivateKey) {
	t.Helper()
	key, private, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, private
}

// phases are those that systemd-measure signs when it is told none.
var phases = []string{"enter-initrd", "enter-initrd:leave-initrd", "enter-initrd:leave-initrd:sysinit", "enter-initrd:leave-initrd:sysinit:ready"}

// systemd-measure of the machine that the tests run on computes the same values and
// writes the same signatures, for the sections that its version knows.
func TestSystemdMeasureAgrees(t *testing.T) {
	const program = "/usr/lib/systemd/systemd-measure"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: install it (Debian 12: systemd; 13: systemd-ukify)", err)
	}
	key, private := testKey(t)
	img := testParts(key)
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	files := parts{"pcr.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "pcr.pub": key.PEM()}
	args := []string{"--bank=sha256"}
	for _, name := range slices.Sorted(maps.Keys(img)) {
		files[name] = img[name]
		args = append(args, "--"+name[1:]+"="+filepath.Join(dir, name))
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(more ...string) []byte {
		t.Helper()
		cmd := exec.Command(program, append(more, args...)...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, &errs)
		}
		return out
	}

	values := make([][sha256.Size]byte, len(phases))
	for i, phase := range phases {
		if values[i], err = Value(img, phase, nil); err != nil {
			t.Fatal(err)
		}
		if got, want := strings.TrimSpace(string(run("calculate", "--phase="+phase))), "11:sha256="+hex.EncodeToString(values[i][:]); !strings.Contains(got, want) {
			t.Errorf("phase %q: systemd-measure says\n%s\nwant %s", phase, got, want)
		}
	}

	// Version 252 has a TPM compute the policy.
	got := run("sign", "--private-key="+filepath.Join(dir, "pcr.key"), "--public-key="+filepath.Join(dir, "pcr.pub"), "--tpm2-device=swtpm:path="+emulator(t))
	text, err := key.Sign(values...)
	if err != nil {
		t.Fatal(err)
	}
	var theirs, ours map[string][]signature
	if err := json.Unmarshal(got, &theirs); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &ours); err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(theirs[bank], ours[bank], func(a, b signature) bool {
		return slices.Equal(a.PCRs, b.PCRs) && a.Key == b.Key && a.Policy == b.Policy && a.Sig == b.Sig
	}) {
		t.Errorf("systemd-measure signs\n%s\nwe sign\n%s", got, text)
	}
	if n := key.Size(len(values)); n != len(text) {
		t.Errorf("Size says %d bytes, Sign wrote %d", n, len(text))
	}
}

// emulator runs a TPM in software until the test ends and returns the path of its socket.
func emulator(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.CommandContext(t.Context(), "swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--flags", "startup-clear,not-need-init",
		"--server", "type=unixio,path="+socket, "--ctrl", "type=unixio,path="+socket+".ctrl")
	var says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &says, &says
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // gone already, at worst
		_ = cmd.Wait()
	})
	for range 6000 {
		if _, err := os.Stat(socket + ".ctrl"); err == nil {
			return socket
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("swtpm does not listen: %s", &says)
	return ""
}

// What changes the value: each section that is measured, and nothing else.
func TestValue(t *testing.T) {
	key, _ := testKey(t)
	img := testParts(key)
	first, err := Value(img, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(slices.Clone(measured), ".pcrsig", ".text") {
		changed := maps.Clone(img)
		changed[name] = append(slices.Clone(img[name]), 'x')
		got, err := Value(changed, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := slices.Contains(measured, name); (got != first) != want {
			t.Errorf("%s changed: another value %v, want %v", name, got != first, want)
		}
	}
	for _, name := range several {
		changed := maps.Clone(img)
		changed[name] = []byte("x")
		if _, err := Value(changed, "", nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	key, _ := testKey(t)
	other, _ := testKey(t)
	img := testParts(key)
	if got := Check(parts{".linux": img[".linux"]}); got != nil {
		t.Errorf("an image without signatures: %+v", got)
	}
	value, err := Value(img, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if img[".pcrsig"], err = key.Sign(value); err != nil {
		t.Fatal(err)
	}
	forged, err := other.Sign(value)
	if err != nil {
		t.Fatal(err)
	}
	if got := Check(img); got.Problem != "" || got.Value != value || got.Key != key.Fingerprint() {
		t.Errorf("%+v, want value %x by %s", got, value, key.Fingerprint())
	}
	for name, c := range map[string]struct {
		section string
		data    []byte
		want    string
	}{
		"another command line":  {".cmdline", []byte("init=/bin/sh"), "changed after it was signed"},
		"another key":           {".pcrpkey", other.PEM(), "changed after it was signed"},
		"no key":                {".pcrpkey", nil, "no public key in PEM"},
		"a damaged signature":   {".pcrsig", []byte(`{"sha256":[{`), "damaged"},
		"somebody's signature":  {".pcrsig", forged, "changed after it was signed"},
		"a stolen fingerprint":  {".pcrsig", bytes.ReplaceAll(forged, []byte(other.Fingerprint()), []byte(key.Fingerprint())), "not by the key in the image"},
		"several command lines": {".profile", []byte("ID=x"), "several variants"},
	} {
		changed := maps.Clone(img)
		changed[c.section] = c.data
		if got := Check(changed); got == nil || !strings.Contains(got.Problem, c.want) {
			t.Errorf("%s: %+v, want a problem with %q", name, got, c.want)
		}
	}
}

func TestKeysThatTPMsTake(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewKey(curve); err == nil || !strings.Contains(err.Error(), "no RSA key") {
		t.Errorf("elliptic curve: %v", err)
	}
	if _, err := NewKey(long); err == nil || !strings.Contains(err.Error(), "3072 bits") {
		t.Errorf("3072 bits: %v", err)
	}
	key, _ := testKey(t)
	public, err := ParsePublic(append(key.PEM(), 0))
	if err != nil || fingerprint(public) != key.Fingerprint() {
		t.Errorf("the public key reads back as another one: %v", err)
	}
}
