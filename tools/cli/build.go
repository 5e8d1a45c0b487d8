package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"trunkline/appliance/bake"
	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/image"
	"trunkline/image/debian"
	"trunkline/image/entry"
	"trunkline/tools/report"
	"trunkline/tools/report/html"
	"trunkline/tools/report/issues"
)

type buildOptions struct {
	out, mirror, cache, programs string
	offline                      bool
	plan                         string // a saved plan; empty: none
	version                      string // of the images
	formats                      []string
	secureBoot                   secureBootOptions
	pcr                          pcrOptions
}

func (a *app) build() *cobra.Command {
	var o buildOptions
	c := &cobra.Command{
		Use:   "build SPEC",
		Short: "Build the images of a spec: NAME.efi, NAME.raw, and the plan of each",
		Long: `Build the image of a spec from the packages in its lock file. OUT/NAME/ then holds
NAME.efi (to boot over the network), NAME.raw (a disk), plan.json, plan.txt and plan.html,
what is in the image (NAME.spdx.json, NAME.cdx.json) and what it was made from
(NAME.provenance.json, an unsigned in-toto statement). Nothing is asked of this machine but a directory: no root, no containers.

--format says which forms the image is written in: "qcow2" is the disk for hypervisors that
take no raw one; "iso" is for virtual media (the CD-ROM of a management controller or of a
hypervisor) and USB sticks. An ISO is only read: an appliance that runs from one has no second
image to update to, and no state partition. NAME.efi, which all others hold, is always written.

Of a spec of several appliances all are built, on all processors; --appliance builds one.

With --plan the image is built only if the spec still gives that very plan, saved
with plan --out: what was reviewed is what is built. "build PLAN.json" does the same
for the spec in the working directory.

--image-version orders updates: an appliance takes only what is newer than what it runs.
A time or a release number does, 20260131.120000 or 1.4.2.

With --secure-boot-key and --secure-boot-cert, UKI and boot loader are signed for Secure
Boot: "trunkline keys" makes a set of keys and says which goes where. With --pcr-key the
image says what a TPM holds once it has started, so that credentials open that were sealed
for images of this key.` + inputsHelp + calibrationHelp,
		Args: oneArg("the spec directory"),
		RunE: a.does(func(ctx context.Context, args []string) error { return a.runBuild(ctx, args[0], o) }),
	}
	a.specFlags(c)
	a.policyFlags(c)
	c.Flags().StringVarP(&o.out, "out", "o", "out", "`DIR` to write DIR/NAME into")
	c.Flags().StringVar(&o.plan, "plan", "", "saved plan `FILE` that the image must be of")
	c.Flags().StringVar(&o.version, "image-version", entry.DefaultVersion, "`VERSION` of the image, by which updates are newer or older: digits, small letters, '.' and '-'")
	c.Flags().BoolVar(&o.offline, "offline", false, "use the package cache alone")
	c.Flags().StringVar(&o.mirror, "mirror", "", mirrorHelp)
	c.Flags().StringVar(&o.cache, "cache", "", "`DIR` to cache packages and base layers in (default: $"+debian.CacheVariable+", else trunkline in the user's cache directory)")
	c.Flags().StringVar(&o.programs, "programs", "", "`DIR` of sbcd and init, which go into the image (default: where trunkline lies)")
	c.Flags().StringSliceVar(&o.formats, "format", []string{"efi", "raw"}, "`FORMATS` to write the image in: efi, raw, qcow2, iso; separated by commas")
	secureBootFlags(c, &o.secureBoot)
	pcrFlags(c, &o.pcr)
	return c
}

func (a *app) runBuild(ctx context.Context, dir string, o buildOptions) error {
	begin := time.Now()
	dir, saved, err := whatToBuild(dir, o.plan)
	if err != nil {
		return err
	}
	specs, err := a.loadAll(dir)
	if err != nil {
		return err
	}
	if len(specs) > 1 {
		if saved != "" {
			return fmt.Errorf("a saved plan is of one appliance, and the spec describes %d: say which with --appliance NAME", len(specs))
		}
		return a.buildFleet(ctx, dir, specs, o)
	}
	p, err := a.planSpec(specs[0])
	if err != nil {
		return err
	}
	if saved != "" {
		if err := a.holds(saved, dir, p); err != nil {
			return err
		}
	}
	if err := a.refuse(p.plan); err != nil {
		return err
	}
	r, noMirror, err := a.buildRequest(ctx, dir, specs, o)
	if err != nil {
		return err
	}
	name := p.plan.Appliance.Name
	out := filepath.Join(o.out, name)
	unmake := remover(out, o.out)
	if err := writable(out); err != nil {
		return err
	}

	progress := a.progress()
	res, err := image.Build(ctx, p.request(r, out, progress))
	progress.done(err == nil)
	if err != nil {
		unmake()
		return withoutMirror(err, noMirror, o.offline)
	}
	if err := a.writePlan(out, p.plan); err != nil {
		return err
	}
	a.summary(name, res, time.Since(begin))
	a.noteImage(res, p.spec)
	return nil
}

// buildRequest is what all images of a spec have in common. Everything that may be
// wrong is looked at, before the long work starts. Without a mirror noMirror says so:
// that is an error only when packages are missing.
func (a *app) buildRequest(ctx context.Context, dir string, specs []*spec.Spec, o buildOptions) (r image.Request, noMirror, err error) {
	if err := entry.CheckVersion(o.version); err != nil {
		return r, nil, fmt.Errorf("--image-version: %w", err)
	}
	profile, err := debian.ProfileByName(specs[0].Hardware.Platform)
	if err != nil {
		return r, nil, err
	}
	formats, err := image.ParseFormats(o.formats)
	if err != nil {
		return r, nil, fmt.Errorf("--format: %w", err)
	}
	profile = profile.With(extras(specs))
	l, err := debian.ReadLock(filepath.Join(dir, debian.LockName))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil, fmt.Errorf("there is no lock file %s: run `trunkline lock %s` and commit what it writes", filepath.Join(dir, debian.LockName), dir)
	}
	if err != nil {
		return r, nil, err
	}
	if err := l.Check(profile); err != nil {
		return r, nil, fmt.Errorf("%s: %w", filepath.Join(dir, debian.LockName), err)
	}
	sbcd, boot, err := a.programs(o.programs)
	if err != nil {
		return r, nil, err
	}
	signer, enrol, err := a.signing(ctx, o.secureBoot)
	if err != nil {
		return r, nil, err
	}
	pcrKey, err := a.pcrKey(ctx, o.pcr)
	if err != nil {
		return r, nil, err
	}
	cache, err := debian.CacheDir(o.cache, a.Getenv(debian.CacheVariable))
	if err != nil {
		return r, nil, err
	}
	mirror, noMirror := a.findMirror(o.mirror)
	if noMirror != nil && !errors.Is(noMirror, debian.ErrNoMirror) {
		return r, nil, noMirror
	}
	return image.Request{
		Profile: profile.Name, Version: o.version, Lock: l, Store: debian.NewStore(cache),
		Mirror: mirror, Offline: o.offline,
		SbcdPath: sbcd, InitPath: boot,
		BaseCacheDir: filepath.Join(cache, "base"),
		Signer:       signer, Enrol: enrol, PCRKey: pcrKey,
		Formats: formats,
	}, noMirror, nil
}

// request is that of one appliance, made of what it has in common with others.
func (p *planned) request(common image.Request, out string, progress image.Progress) image.Request {
	r := common
	r.Name, r.Config, r.OutDir, r.Progress = p.plan.Appliance.Name, imageFiles(p.files), out, progress
	r.Trunkline, r.Sources = version, sources(p.spec)
	r.Hardware, r.Console = machineOf(p.spec.Hardware), p.spec.Hardware.Console
	for _, pkg := range p.spec.Packages() {
		r.Extras = append(r.Extras, pkg.Name)
	}
	for _, k := range p.plan.Budget.Kernel {
		if r.Cmdline != "" {
			r.Cmdline += " "
		}
		r.Cmdline += k.Key + "=" + k.Value
	}
	return r
}

// withoutMirror adds to an error about missing packages why there was no mirror to
// ask.
func withoutMirror(err, noMirror error, offline bool) error {
	var missing *debian.NotCachedError
	if errors.As(err, &missing) && noMirror != nil && !offline {
		return fmt.Errorf("%w: %w", err, noMirror)
	}
	return err
}

// noteImage warns of a root image that takes more memory than plans count for it.
func (a *app) noteImage(r image.Result, s *spec.Spec) {
	if note := imageNote(r.Base.TreeBytes, a.calibration.coefficients, len(s.Media.LocalInstances()) > 0); note != "" {
		fmt.Fprintf(a.Stderr, "%s %s\n", a.paint(a.Stderr, "Warning:", "1;33"), note)
	}
}

// initrdExtra is what the kernel unpacks beside the files of the root image: init,
// the modules it needs, and the tables of the file system. Measured: 3.7 MiB.
const initrdExtra = 4 << 20

// imageNote tells of a root image that takes more memory than plans count for it; relays:
// rtpengine is in it.
func imageNote(tree int64, c *sizing.Coefficients, relays bool) string {
	planned, _ := c.Get("root_image_bytes")
	if relays {
		more, _ := c.Get("media_image_bytes")
		planned.Value += more.Value
	}
	if real := float64(tree + initrdExtra); real > planned.Value {
		return fmt.Sprintf("the root image takes %s of memory, the plan counts %s: leave that much more free, and raise root_image_bytes in a file for --calibration.",
			sizing.Bytes(real), sizing.Bytes(planned.Value))
	}
	return ""
}

// programs finds sbcd and init: in dir, or beside this program.
func (a *app) programs(dir string) (sbcd, boot string, err error) {
	if dir == "" {
		if a.Executable == "" {
			return "", "", errors.New("cannot find out where this program lies, and so not sbcd and init beside it: name their directory with --programs")
		}
		exe := a.Executable
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dir = filepath.Dir(exe)
	}
	for _, name := range []string{"sbcd", "init"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
			return "", "", fmt.Errorf("%s, which goes into the image, is not in %s: unpack the whole release archive, run `make build`, or name its directory with --programs", name, dir)
		}
	}
	return filepath.Join(dir, "sbcd"), filepath.Join(dir, "init"), nil
}

// remover returns what removes those of the directories, inner ones first, that do
// not exist yet and are still empty by then.
func remover(dirs ...string) func() {
	var missing []string
	for _, dir := range dirs {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, dir)
		}
	}
	return func() {
		for _, dir := range missing {
			os.Remove(dir) // fails for one that holds something, as it should
		}
	}
}

// writable makes the output directory and tries it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("output: %w: name another directory with -o", err)
	}
	f, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return fmt.Errorf("output: %w: name another directory with -o", err)
	}
	f.Close()
	return os.Remove(f.Name())
}

func imageFiles(files []bake.File) []image.File {
	out := make([]image.File, len(files))
	for i, f := range files {
		out[i] = image.File{Path: f.Path, Mode: f.Mode, Data: f.Data, Link: f.Link}
	}
	return out
}

// sources are the files a spec was read from.
func sources(s *spec.Spec) []image.Source {
	out := make([]image.Source, len(s.Sources))
	for i, f := range s.Sources {
		out[i] = image.Source{Name: f.Name, SHA256: f.SHA256}
	}
	return out
}

// writePlan puts the plan beside the image it describes.
func (a *app) writePlan(dir string, p *plan.Plan) error {
	b, err := plan.Encode(p)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "plan.json"), b); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	var text bytes.Buffer
	if err := report.Text(&text, p, report.Options{Width: 100, Full: true}); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "plan.txt"), text.Bytes()); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	var page bytes.Buffer
	if err := html.Write(&page, p, issues.Bare(issues.Of("", a.diags, p))); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "plan.html"), page.Bytes()); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	return nil
}

// summary is what a build ends with.
func (a *app) summary(name string, r image.Result, took time.Duration) {
	how := "warm: base layer reused"
	switch {
	case r.BaseReused:
	case r.Fetched.Downloaded > 0:
		how = fmt.Sprintf("cold: base layer built, %s downloaded (%s)", count(r.Fetched.Downloaded, "package"), sizing.Bytes(float64(r.Fetched.Bytes)))
	default:
		how = "cold: base layer built, packages from the cache"
	}
	fmt.Fprintf(a.Stdout, "%s built in %.1f s (%s)\n", name, took.Seconds(), how)
	for _, o := range r.Outputs() {
		fmt.Fprintf(a.Stdout, "  %s  %s  sha256:%s\n", o.Path, sizing.Bytes(float64(o.Size)), o.SHA256)
	}
	if s := r.Signature; s != nil {
		fmt.Fprintf(a.Stdout, "  signed for Secure Boot by %s, certificate sha256:%s\n", s.Subject, s.Certificate)
	}
	if m := r.Measured; m != nil {
		fmt.Fprintf(a.Stdout, "  PCR 11 of a TPM is sha256:%s once it has started, signed by key sha256:%s\n", m.Value, m.Key)
	}
	fmt.Fprintf(a.Stdout, "  version %s, image %s, as `sbcd status` on the appliance says it\n", r.Version, r.Digest)
	fmt.Fprintf(a.Stdout, "  base layer %s: kernel %s, %s, %s files, %s\n", short(r.Base.Digest), r.Base.Kernel,
		count(r.Base.Packages, "package"), sizing.Count(float64(r.Base.TreeFiles)), sizing.Bytes(float64(r.Base.TreeBytes)))
	if r.Base.Hardware != "" {
		var firmware int64
		for _, f := range r.Base.Firmware {
			firmware += f.Bytes
		}
		fmt.Fprintf(a.Stdout, "  for its machine: %s, %s (%s), microcode %s\n", count(r.Base.Modules, "kernel module"),
			count(len(r.Base.Firmware), "firmware file"), sizing.Bytes(float64(firmware)), sizing.Bytes(float64(r.Base.MicrocodeBytes)))
	}
}

// short cuts a digest for the eye.
func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }
