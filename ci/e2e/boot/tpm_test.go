package boot

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline/image/inspect"
	"trunkline/image/vm"
)

// TestCredentialsOfATPM seals the secrets of the example with a TPM, for images that a key
// signs, boots an image that was signed with it on the machine of this TPM, and finds it with
// its secrets; PCR 11 holds what inspect says of the file. A credential sealed for images of another key stays closed.
func TestCredentialsOfATPM(t *testing.T) {
	bin := programs(t)
	dir := t.TempDir()
	trunkline, keys, others := filepath.Join(bin, "trunkline"), filepath.Join(dir, "keys"), filepath.Join(dir, "others")
	run(t, trunkline, "keys", keys)
	run(t, trunkline, "keys", others)
	run(t, trunkline, "build", tlsExample, "-o", dir, "--pcr-key", filepath.Join(keys, "pcr.key"))
	disk := filepath.Join(dir, "edge-tls", "edge-tls.raw")
	img, err := inspect.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	if img.Measured == nil || img.Measured.Problem != "" {
		t.Fatalf("the image says of the TPM %+v", img.Measured)
	}

	tpm, err := os.MkdirTemp("", "tpm") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tpm) })
	a := newAuthority(t, "authority")
	cert, key := a.issue("edge", listener)
	socket, stop := emulator(t, tpm, true)
	onESP := map[string][]byte{
		certificateCredential: sealedWith(t, socket, keys, certificateCredential, cert),
		keyCredential:         sealedWith(t, socket, keys, keyCredential, key),
		authoritiesCredential: sealedWith(t, socket, keys, authoritiesCredential, a.pem()),
		"of-another-key":      sealedWith(t, socket, others, "of-another-key", key),
	}
	stop()
	run(t, "mmd", "-i", disk+esp, "::/loader/credentials")
	putOnESP(t, disk, onESP)

	n := newNetwork(t)
	socket, _ = emulator(t, tpm, false)
	ctx, cancel := context.WithTimeout(context.Background(), bootWithin)
	defer cancel()
	m, err := vm.Start(ctx, vm.Config{
		Disk: disk, TPM: socket, Netns: n.lab.Path(), NICs: []vm.NIC{{MAC: mac, Backend: vm.Tap{Name: tap}}},
		Credentials: map[string][]byte{"trunkline.audit": []byte("yes")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := waitConsole(ctx, m, regexp.MustCompile(`trunkline: audit: all \d+ checks hold|audit: \d+ of \d+ checks failed`)); err != nil {
		t.Fatal(err)
	}
	console := m.ConsoleTail(2000)
	for _, want := range []string{
		fmt.Sprintf("measured boot: ok: PCR 11 is sha256:%s, as the image was signed", img.Measured.Value),
		"trunkline: credential of-another-key on the EFI system partition cannot be opened: ",
	} {
		if !strings.Contains(console, want) {
			t.Errorf("the console does not say %q:\n%s", want, console)
		}
	}
	if err := m.Kill(); err != nil {
		t.Error(err)
	}
}

// emulator runs a TPM in software with its state in dir, until stop or the test's end:
// for programs of this machine, or for a virtual one. It returns the path of its socket.
func emulator(t *testing.T, dir string, here bool) (socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(dir, "s")
	control := socket
	args := []string{"socket", "--tpm2", "--tpmstate", "dir=" + dir}
	if here {
		control += ".ctrl" // where systemd's driver looks for it
		args = append(args, "--flags", "startup-clear,not-need-init", "--server", "type=unixio,path="+socket)
	}
	cmd := exec.CommandContext(t.Context(), "swtpm", append(args, "--ctrl", "type=unixio,path="+control)...)
	var says strings.Builder
	cmd.Stdout, cmd.Stderr = &says, &says
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill() // ended with the machine, maybe
			_ = cmd.Wait()
			_ = os.Remove(socket)
			_ = os.Remove(control)
		}
	}
	t.Cleanup(stop)
	for range 1000 {
		if _, err := os.Stat(control); err == nil {
			return socket, stop
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("swtpm does not listen: %s", &says)
	return "", nil
}

// sealedWith is a credential that the TPM opens where an image runs that was signed with
// the key of the set.
func sealedWith(t *testing.T, socket, keys, name string, value []byte) []byte {
	t.Helper()
	cmd := exec.Command("systemd-creds", "encrypt", "--with-key=tpm2-with-public-key", "--tpm2-device=swtpm:path="+socket,
		"--tpm2-public-key="+filepath.Join(keys, "pcr.pub"), "--tpm2-public-key-pcrs=11", "--tpm2-pcrs=", "--name="+name, "-", "-")
	cmd.Stdin = strings.NewReader(string(value))
	var errs strings.Builder
	cmd.Stderr = &errs
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("systemd-creds (ci/setup test installs it): %v\n%s", err, errs.String())
	}
	return b
}
