package boot

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const tlsExample = "../../../appliance/examples/edge-tls"

// The secrets of the example, as the machine is handed them.
const (
	certificateCredential = "edge-tls.certificate"
	keyCredential         = "edge-tls.key"
	authoritiesCredential = "edge-tls.authorities"
)

// esp is where mtools finds the EFI system partition of our disks.
const esp = "@@1M"

// TestTLSOnTheBootedImage boots the example with carriers over TLS twice: without its
// secrets, and with them.
func TestTLSOnTheBootedImage(t *testing.T) {
	disk := buildTLS(t)
	a := newAuthority(t, "authority")
	cert, key := a.issue("edge", listener)

	// Nobody passed the key, and the authority is on the ESP in plain, which systemd does not
	// take from there: the console names both, and sbcd opens nothing.
	t.Run("missing secrets are said by name", func(t *testing.T) {
		putOnESP(t, disk, map[string][]byte{authoritiesCredential: a.pem()})
		n := newNetwork(t)
		m := n.bootWith(disk, map[string][]byte{certificateCredential: cert})
		ctx, cancel := context.WithTimeout(context.Background(), bootWithin)
		defer cancel()
		_, err := m.Ready(ctx)
		if err == nil {
			t.Fatal("the appliance became ready without two of its secrets")
		}
		for _, want := range []string{
			"trunkline: credential " + authoritiesCredential + " on the EFI system partition cannot be opened: ",
			"trunkline: refused: listener carriers: secret carrier-key: sbcd was not handed credential " + keyCredential,
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the refusal does not say %q: %v", want, err)
			}
		}
		if err := n.dial(carrier, listener+":5061"); err == nil {
			t.Error("the listener is open without its key")
		}
		if err := m.Kill(); err != nil {
			t.Error(err)
		}
	})

	// A carrier calls over TLS, both sides with certificates. The appliance has the key from
	// the firmware (SMBIOS), the certificate and the authority from the ESP.
	t.Run("calls", func(t *testing.T) {
		putOnESP(t, disk, map[string][]byte{certificateCredential: sealed(t, certificateCredential, cert), authoritiesCredential: sealed(t, authoritiesCredential, a.pem())})
		n := newNetwork(t)
		n.sipp("uas_call", fs1, "-timeout", "15m")
		n.sipp("uas_call", fs2, "-timeout", "15m")
		m := n.bootWith(disk, map[string][]byte{keyCredential: key})
		ctx, cancel := context.WithTimeout(context.Background(), bootWithin)
		defer cancel()
		ready, err := m.Ready(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("ready: kernel to READY=1 in %.1f s (%s)", ready.Uptime.Seconds(), m.Accel())
		if ready.Name != "edge-tls" || ready.Listeners != 2 {
			t.Errorf("ready says %+v", ready)
		}
		n.tlsCalls(a)
		if err := m.Kill(); err != nil {
			t.Error(err)
		}
	})
}

// buildTLS builds the example's image: a disk of the test's own, with room for credentials.
func buildTLS(t *testing.T) (disk string) {
	t.Helper()
	bin := programs(t)
	out := t.TempDir()
	run(t, filepath.Join(bin, "trunkline"), "build", tlsExample, "-o", out)
	disk = filepath.Join(out, "edge-tls", "edge-tls.raw")
	run(t, "mmd", "-i", disk+esp, "::/loader/credentials")
	return disk
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if b, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, b)
	}
}

// putOnESP writes credentials to where the stub of the UKI looks (systemd-stub(7)).
func putOnESP(t *testing.T, disk string, credentials map[string][]byte) {
	t.Helper()
	for name, b := range credentials {
		file := filepath.Join(t.TempDir(), name+".cred")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "mcopy", "-o", "-i", disk+esp, file, "::/loader/credentials/"+name+".cred")
	}
}

// sealed is a credential as it may lie on an ESP. The key is the one that everybody
// knows: the machine of the test has no TPM.
func sealed(t *testing.T, name string, value []byte) []byte {
	t.Helper()
	// "tpm2-absent" is what systemd calls the null key in all its versions.
	cmd := exec.Command("systemd-creds", "encrypt", "--with-key=tpm2-absent", "--name="+name, "-", "-")
	cmd.Stdin = strings.NewReader(string(value))
	var errs strings.Builder
	cmd.Stderr = &errs
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("systemd-creds (ci/setup test installs it): %v\n%s", err, errs.String())
	}
	return b
}

// callsEnv hands the caller's part of the test, which runs in the namespace, its
// certificates; it is the directory where they lie.
const callsEnv = "TRUNKLINE_TEST_TLS_CALLS"

// tlsCalls runs TestTLSCaller in the namespace: sipgo opens its sockets on threads of its
// own, so the whole process must be there.
func (n *network) tlsCalls(a authority) {
	n.t.Helper()
	dir := n.t.TempDir()
	cert, key := a.issue("carrier", carrier)
	for name, b := range map[string][]byte{"ca": a.pem(), "cert": cert, "key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			n.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestTLSCaller$", "-test.v")
	cmd.Env = append(os.Environ(), callsEnv+"="+dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := n.lab.Start(cmd); err != nil {
		n.t.Fatal(err)
	}
	err := cmd.Wait()
	if want := fmt.Sprintf("%d calls over TLS", tlsCallCount); err != nil || !strings.Contains(out.String(), want) {
		n.t.Errorf("the caller ended with %v and said\n%s", err, out.String())
	}
}
