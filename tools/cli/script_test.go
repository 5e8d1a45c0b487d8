package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/rogpeppe/go-internal/testscript"

	"trunkline/image/debian"
	"trunkline/image/imagetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"trunkline": func() { os.Exit(Main()) },
		// A trunkline whose builds depend on where and how they run.
		"trunkline-drifting": func() { os.Exit(drift()) },
	})
}

// TestScripts runs testdata/script/*.txtar. Each finds the example specs in "site" and, of several appliances, in "sites".
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// The archives below are directories: no script goes to a network.
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("PROCESSORS", strconv.Itoa(max(2, runtime.NumCPU())))
			e.Setenv(debian.MirrorVariable, "file://"+filepath.Join(e.WorkDir, "no-such-mirror"))
			if err := os.CopyFS(filepath.Join(e.WorkDir, "sites"), os.DirFS("../../appliance/examples/fleet")); err != nil {
				return err
			}
			return os.CopyFS(filepath.Join(e.WorkDir, "site"), os.DirFS("../../appliance/examples/edge-fra1"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"replace":  replace,
			"archive":  archive,
			"programs": programs,
			"status":   status,
		},
	})
}

// drift is Main, but for builds that depend on the environment, in what DRIFT says:
// sbcd holds the time zone, plan.txt the umask, or a file is written where one
// processor is used.
func drift() int {
	args := os.Args[1:]
	if len(args) == 0 || args[0] != "build" {
		return Main()
	}
	value := func(flag string) string { return args[slices.Index(args, flag)+1] }
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "drift:", err)
			os.Exit(99)
		}
	}
	if os.Getenv("DRIFT") == "sbcd" {
		_, err := imagetest.Program(value("--programs"), "sbcd", "sbcd in "+os.Getenv("TZ"))
		must(err)
	}
	status := Main()
	out := filepath.Join(value("-o"), "edge-fra1")
	switch os.Getenv("DRIFT") {
	case "plan":
		f, err := os.OpenFile(filepath.Join(out, "plan.txt"), os.O_APPEND|os.O_WRONLY, 0)
		must(err)
		fmt.Fprintf(f, "umask %04o\n", syscall.Umask(0))
		must(f.Close())
	case "file":
		if os.Getenv("GOMAXPROCS") == "1" {
			must(os.WriteFile(filepath.Join(out, "alone.txt"), nil, 0o644))
		}
	case "conditions":
		// What a build sees of its surroundings, for the script to compare.
		cwd, err := os.Getwd()
		must(err)
		info, err := os.Stat(value("--programs") + "/sbcd")
		must(err)
		text := fmt.Sprintf("umask %04o\nTZ %s\nLC_ALL %s\nGOMAXPROCS %s\nTMPDIR %s\nout %s\nold %v\ncwd %s\n", syscall.Umask(0), os.Getenv("TZ"), os.Getenv("LC_ALL"),
			os.Getenv("GOMAXPROCS"), os.Getenv("TMPDIR"), out, info.ModTime().Year() == 2001, cwd)
		must(os.WriteFile(filepath.Join(out, "conditions.txt"), []byte(text), 0o644))
	}
	return status
}

// programs DIR writes an sbcd and an init that a small image takes.
func programs(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	for _, name := range []string{"sbcd", "init"} {
		_, err := imagetest.Program(dir, name, name)
		ts.Check(err)
	}
}

// replace FILE OLD NEW changes the one place in a file where OLD stands.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	if n := strings.Count(string(b), args[1]); n != 1 {
		ts.Fatalf("%q stands in %s %d times", args[1], args[0], n)
	}
	ts.Check(os.WriteFile(name, []byte(strings.Replace(string(b), args[1], args[2], 1)), 0o644))
}

// status N PROGRAM ARG... runs a program that must end with exit status N.
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// archive DIR [NAME=VERSION...] writes a Debian archive with what the vm profile
// wants, version 1 of each but those named ("-" leaves one out), signed by a key
// of its own in DIR/key.gpg. A small image can be built of it.
func archive(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	profile, err := debian.ProfileByName("vm")
	ts.Check(err)
	versions := map[string]string{}
	names := append([]string{}, profile.Seeds...)
	for _, a := range args[1:] {
		n, v, _ := strings.Cut(a, "=")
		if _, known := versions[n]; !known && !strings.Contains(" "+strings.Join(names, " ")+" ", " "+n+" ") {
			names = append(names, n)
		}
		versions[n] = v
	}
	contents, err := imagetest.Files()
	ts.Check(err)
	contents["rtpengine-daemon"] = map[string]string{"usr/bin/rtpengine": "relay"}
	var packages strings.Builder
	for _, n := range names {
		v := versions[n]
		if v == "-" {
			continue
		}
		if v == "" {
			v = "1"
		}
		depends := ""
		switch {
		case n == "systemd" && versions["libextra"] != "":
			depends = "Depends: libextra\n"
		case n == "rtpengine-daemon":
			depends = "Depends: librelay, adduser\n"
		}
		deb, err := imagetest.Deb(n, v, contents[n])
		ts.Check(err)
		file := fmt.Sprintf("pool/main/%s_%s.deb", n, v)
		ts.Check(os.MkdirAll(filepath.Join(dir, "pool/main"), 0o755))
		ts.Check(os.WriteFile(filepath.Join(dir, file), deb, 0o644))
		fmt.Fprintf(&packages, "Package: %s\nVersion: %s\nArchitecture: amd64\n%sFilename: %s\nSize: %d\nSHA256: %s\n\n",
			n, v, depends, file, len(deb), sum(deb))
	}

	now := func() time.Time { return time.Now().Add(-time.Minute) } // of the signature, checked against the clock
	key, err := openpgp.NewEntity("test archive", "", "", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: now})
	ts.Check(err)
	var keys bytes.Buffer
	ts.Check(key.Serialize(&keys))
	index := []byte(packages.String())
	var signed bytes.Buffer
	w, err := clearsign.Encode(&signed, key.PrivateKey, &packet.Config{Time: now})
	ts.Check(err)
	fmt.Fprintf(w, "Codename: trixie\nSHA256:\n %s %d main/binary-amd64/Packages\n", sum(index), len(index))
	ts.Check(w.Close())
	for name, b := range map[string][]byte{
		"key.gpg":                keys.Bytes(),
		"dists/trixie/InRelease": signed.Bytes(),
		"dists/trixie/main/binary-amd64/Packages": index,
	} {
		p := filepath.Join(dir, name)
		ts.Check(os.MkdirAll(filepath.Dir(p), 0o755))
		ts.Check(os.WriteFile(p, b, 0o644))
	}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
