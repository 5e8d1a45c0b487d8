package cmd

import (
	"bytes"
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/image/imagetest"
	"trunkline/image/publish"
	"trunkline/image/secureboot"
	"trunkline/tools/sbcd/update"
)

var imageKeys = sync.OnceValues(func() (*secureboot.KeySet, error) {
	return secureboot.NewKeySet("test", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 10)
})

// updated is an appliance that runs version 5 and updates from a server.
type updated struct {
	t            *testing.T
	dir, www     string
	server       *httptest.Server
	cfg          *runtime.Appliance
	restarted    int
	restartFails error
}

func newUpdated(t *testing.T, reboot string) *updated {
	t.Helper()
	keys, err := imageKeys()
	if err != nil {
		t.Fatal(err)
	}
	u := &updated{t: t, dir: t.TempDir(), www: t.TempDir(), cfg: &runtime.Appliance{FormatVersion: runtime.FormatVersion, Name: "test"}}
	u.server = httptest.NewTLSServer(http.FileServer(http.Dir(u.www)))
	t.Cleanup(u.server.Close)
	u.put("efi/EFI/Linux/test_5.efi", []byte("the image that runs"))
	u.put("os-release", []byte("ID=trunkline\nIMAGE_ID=test\nIMAGE_VERSION=5\n"))
	u.put("signer.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: keys.DB.Certificate.Raw}))
	u.put("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.server.Certificate().Raw}))
	u.cfg.Update = &runtime.Update{URL: u.server.URL + "/", Signer: u.path("signer.pem"), CA: u.path("ca.pem"), Reboot: reboot, Tries: 3}
	if reboot == runtime.RebootWindow {
		// A window that is closed whenever this runs: it was an hour ago.
		then := time.Now().UTC().Add(-2 * time.Hour)
		u.cfg.Update.RebootAt, u.cfg.Update.WindowLast = then.Format("15:04"), then.Add(time.Hour).Format("15:04")
	}
	return u
}

func (u *updated) path(name string) string { return filepath.Join(u.dir, name) }

func (u *updated) put(name string, b []byte) {
	u.t.Helper()
	if err := os.MkdirAll(filepath.Dir(u.path(name)), 0o755); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(u.path(name), b, 0o644); err != nil {
		u.t.Fatal(err)
	}
}

func (u *updated) publish(version string) {
	u.t.Helper()
	keys, err := imageKeys()
	if err != nil {
		u.t.Fatal(err)
	}
	raw, err := imagetest.Signed("test", version, 5000, keys.DB)
	if err != nil {
		u.t.Fatal(err)
	}
	u.put("build/test.efi", raw)
	if _, err := publish.Publish(context.Background(), []string{u.path("build/test.efi")}, publish.Options{Dir: u.www, Keep: 2, AllowOlder: true}); err != nil {
		u.t.Fatal(err)
	}
}

// run is one `sbcd update`.
func (u *updated) run(flags ...string) (code int, stdout, stderr string) {
	u.t.Helper()
	b, err := runtime.Encode(u.cfg)
	if err != nil {
		u.t.Fatal(err)
	}
	u.put("appliance.json", b)
	var out, errs bytes.Buffer
	code = Run(context.Background(), Streams{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
		Restart: func(context.Context) error { u.restarted++; return u.restartFails }},
		append([]string{"update", "--config", u.path("appliance.json"), "--esp", u.path("efi"), "--release", u.path("os-release"), "--record", u.path("run/record.json")}, flags...))
	return code, out.String(), errs.String()
}

func (u *updated) record() update.Record {
	u.t.Helper()
	r, err := update.ReadRecord(u.path("run/record.json"))
	if err != nil || r == nil {
		u.t.Fatalf("record: %+v, %v", r, err)
	}
	return *r
}

func TestUpdate(t *testing.T) {
	u := newUpdated(t, runtime.RebootWindow)
	u.publish("5")
	if code, out, errs := u.run(); code != 0 || !strings.Contains(out, "version 5 runs, and is the newest") {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
	u.publish("6")
	if code, out, errs := u.run("--check"); code != 0 || !strings.Contains(out, "version 6 can be installed") {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
	if _, err := os.Stat(u.path("efi/EFI/Linux/test_6+3.efi")); err == nil {
		t.Error("installed by --check")
	}
	// As the timer does it: told once, whatever the number of looks.
	for i := range 3 {
		code, out, errs := u.run("--scheduled")
		if told := strings.Contains(out, "version 6 is installed and is booted at "); code != 0 || told != (i == 0) && i != 1 {
			t.Errorf("look %d: %d, %q, %q", i, code, out, errs)
		}
		if i == 2 && out != "" {
			t.Errorf("told again: %q", out)
		}
	}
	if u.restarted != 0 {
		t.Error("restarted outside of the window")
	}
	if r := u.record(); r.Waiting != "6" || r.RestartAt == nil || r.Result != update.Waiting {
		t.Errorf("%+v", r)
	}
	// The server has gone: what waits is booted all the same when somebody says so.
	u.server.Close()
	code, out, errs := u.run("--now", "--scheduled")
	if code != exitRefused || u.restarted != 1 || !strings.Contains(out, "restarting for version 6") || !strings.Contains(errs, "refuses the connection") || strings.Contains(errs, "sbcd:") {
		t.Errorf("%d, %d restarts, %q, %q", code, u.restarted, out, errs)
	}
	if r := u.record(); r.Result != update.Failed || r.Kind != update.Unreachable || r.Waiting != "6" || r.Error == "" {
		t.Errorf("%+v", r)
	}
	if _, out, errs := u.run("--scheduled"); out+errs != "" {
		t.Errorf("the same trouble is told again: %q, %q", out, errs)
	}
}

func TestUpdateRestarts(t *testing.T) {
	for reboot, want := range map[string]int{runtime.RebootAtOnce: 1, runtime.RebootManual: 0} {
		u := newUpdated(t, reboot)
		u.publish("6")
		code, out, errs := u.run()
		if code != 0 || u.restarted != want {
			t.Errorf("%s: %d, %d restarts, %q, %q", reboot, code, u.restarted, out, errs)
		}
		if want == 0 && !strings.Contains(out, "when somebody restarts the machine") {
			t.Errorf("%s: %q", reboot, out)
		}
	}
	u := newUpdated(t, runtime.RebootAtOnce)
	u.publish("6")
	u.restartFails = os.ErrPermission
	if code, _, errs := u.run(); code != exitRefused || !strings.Contains(errs, "version 6 waits, and the machine cannot be restarted") {
		t.Errorf("%d, %q", code, errs)
	}
}

func TestUpdateRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		arrange func(*updated)
		want    string
	}{
		{"no update block", func(u *updated) { u.cfg.Update = nil }, "no update block"},
		{"no image", func(u *updated) { u.put("os-release", []byte("ID=debian\n")) }, "no image of an appliance"},
		{"another appliance's", func(u *updated) { u.put("os-release", []byte("IMAGE_ID=core\nIMAGE_VERSION=5\n")) }, "the image that runs is of core"},
		{"no signer", func(u *updated) { u.put("signer.pem", nil) }, "holds 0 certificates"},
		{"signer is gone", func(u *updated) { os.Remove(u.path("signer.pem")) }, "update.signer"},
		{"authorities are gone", func(u *updated) { os.Remove(u.path("ca.pem")) }, "update.ca"},
		{"no partition", func(u *updated) { os.RemoveAll(u.path("efi")) }, "EFI system partition"},
		{"another look", func(u *updated) {
			unlock, err := lockFile(u.path("run/record.json"))
			if err != nil {
				u.t.Fatal(err)
			}
			u.t.Cleanup(unlock)
		}, "wait for its end"},
	} {
		u := newUpdated(t, runtime.RebootAtOnce)
		u.publish("6")
		c.arrange(u)
		if code, out, errs := u.run(); code != exitRefused || !strings.Contains(errs, c.want) || u.restarted != 0 {
			t.Errorf("%s: %d, %q, %q, want %q", c.name, code, out, errs, c.want)
		}
	}
}
