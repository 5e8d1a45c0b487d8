// Package inspection is the text view of what is in a built image, and of what
// differs between two.
//
// What is promised: the same image gives the same text for the same options;
// tables are as wide as their contents, prose as the options say.
package inspection

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/image/inspect"
	"trunkline/image/inventory"
	"trunkline/tools/report/canvas"
)

// Options say how the text looks.
type Options struct {
	Width int  // columns
	Full  bool // every file of the root image, every module and unit
	Color bool
}

// Text writes what is in an image. Appliance is what its config layer configures;
// nil when it carries none.
func Text(w io.Writer, img *inspect.Image, appliance *runtime.Appliance, o Options) error {
	v := &view{Canvas: canvas.Canvas{Width: o.Width, Color: o.Color}, o: o, img: img}
	v.head(appliance)
	v.unified()
	v.disk()
	v.base()
	v.units()
	v.hardware()
	v.config()
	if o.Full {
		v.root()
	}
	_, err := io.WriteString(w, v.String())
	return err
}

type view struct {
	canvas.Canvas
	o   Options
	img *inspect.Image
}

// rows writes a table; cells are separated by tabs.
func (v *view) rows(lines []string) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintf(t, "  %s\n", l)
	}
	_ = t.Flush() // into memory
	for line := range strings.Lines(b.String()) {
		v.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

func bytesOf(n int64) string { return sizing.Bytes(float64(n)) }

func (v *view) head(a *runtime.Appliance) {
	img := v.img
	title := img.Path
	if a != nil {
		title = a.Name
		if a.Site != "" {
			title += ", " + a.Site
		}
	}
	v.WriteString(v.Paint(title, canvas.Bold) + "\n")
	lines := []string{
		"file\t" + img.Path,
		"sha256\t" + img.UKI.SHA256 + " of " + img.UKI.Name + ", " + bytesOf(img.UKI.Size),
	}
	if img.OS.ImageVersion != "" {
		lines = append(lines, "version\t"+img.OS.ImageVersion)
	}
	if m := img.Measured; m != nil {
		what := "sha256:" + m.Value + " once it has started, signed by key sha256:" + m.Key
		if m.Problem != "" {
			what = "sealed credentials do not open: " + m.Problem
		}
		lines = append(lines, "PCR 11\t"+what)
	}
	if img.Digest != "" {
		lines = append(lines, "image\t"+img.Digest)
	}
	if img.Disk != nil && len(img.Disk.Images) > 1 {
		lines = append(lines, "also on the disk\t"+strings.Join(img.Disk.Images[1:], ", "))
	}
	lines = append(lines,
		"system\t"+strings.TrimSpace(img.OS.Name+" "+img.OS.Version)+", Linux "+img.Kernel)
	if a != nil {
		lines = append(lines, "spec\t"+a.SpecDigest)
	}
	if inv := img.Inventory; inv != nil {
		lines = append(lines, "lock\t"+inv.Lock, fmt.Sprintf("base\tprofile %s, Debian %s/%s", inv.Profile, inv.Suite, inv.Architecture))
	}
	lines = append(lines, v.signatures("signature", img.UKI.Signatures)...)
	if img.Disk != nil {
		lines = append(lines, v.signatures("boot loader", img.Disk.LoaderSignatures)...)
	}
	v.rows(lines)
	if err := img.Changed(); err != nil {
		v.Wrap("This is not what was built or signed: "+err.Error()+".", "  ", "  ", canvas.Red)
	}
	v.Title("Kernel command line")
	v.Wrap(img.Cmdline, "  ", "  ", "")
}

// signatures says who signed a file of the boot chain.
func (v *view) signatures(what string, list []inspect.Signature) []string {
	if len(list) == 0 {
		return []string{what + "\tnone: Secure Boot refuses it"}
	}
	var out []string
	for _, s := range list {
		line := fmt.Sprintf("%s\t%s, certificate %s until %s", what, s.Subject, short(s.Certificate), s.NotAfter.Format("2006-01-02"))
		if s.Problem != "" {
			line = what + "\tDOES NOT HOLD: " + s.Problem
		}
		out = append(out, line)
	}
	return out
}

func (v *view) unified() {
	v.Title("Sections of " + v.img.UKI.Name)
	lines := []string{"SECTION\tSIZE\tSHA-256"}
	for _, s := range v.img.UKI.Sections {
		lines = append(lines, fmt.Sprintf("%s\t%s\t%s", s.Name, bytesOf(int64(s.Size)), s.SHA256[:16]))
	}
	v.rows(lines)
}

func (v *view) disk() {
	d := v.img.Disk
	if d == nil {
		return
	}
	what := "a disk"
	switch d.Format {
	case "qcow2":
		what = "a qcow2 file"
	case "iso":
		what = "a read-only medium (ISO)"
	}
	v.Title(fmt.Sprintf("EFI system partition, %s of %s of %s", bytesOf(d.ESPBytes), what, bytesOf(d.Size)))
	v.files(d.Files)
}

// files lists files with size and the head of their digest, or their target.
func (v *view) files(files []inspect.File) {
	lines := make([]string, len(files))
	for i, f := range files {
		if lines[i] = f.Mode + "\t/" + f.Path + "\t" + bytesOf(f.Size) + "\t" + short(f.SHA256); f.Link != "" {
			lines[i] = "link\t/" + f.Path + "\t-> " + f.Link
		}
	}
	v.rows(lines)
}

func short(digest string) string { return digest[:min(16, len(digest))] }

func (v *view) base() {
	inv := v.img.Inventory
	if inv == nil {
		v.Title("Packages")
		v.Wrap("The image has no record of its packages: an older version of Trunkline built it.", "  ", "  ", canvas.Yellow)
		return
	}
	v.Title(canvas.Plural(len(inv.Packages), "Debian package"))
	lines := []string{"PACKAGE\tVERSION\tLICENCES"}
	for _, p := range inv.Packages {
		lines = append(lines, p.Name+"\t"+p.Version+"\t"+v.licenses(p))
	}
	v.rows(lines)
	v.Title("Programs of Trunkline")
	for _, p := range inv.Programs {
		v.program(p)
	}
}

// licenses are those of a package, cut to a few unless all is wanted.
func (v *view) licenses(p inventory.Package) string {
	const few = 3
	list := p.Licenses
	switch {
	case len(list) == 0:
		return "see /usr/share/doc/" + p.Name + "/copyright"
	case len(list) > few && !v.o.Full:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
	}
	return strings.Join(list, ", ")
}

func (v *view) program(p inventory.Program) {
	by := p.Go
	if by == "" {
		by = "no record of its Go version and modules"
	}
	v.rows([]string{fmt.Sprintf("/%s\t%s\t%s\t%s", p.Path, by, canvas.Plural(len(p.Modules), "module"), short(p.SHA256))})
	if !v.o.Full {
		return
	}
	lines := make([]string, len(p.Modules))
	for i, m := range p.Modules {
		lines[i] = "  " + m.Path + "\t" + m.Version
	}
	v.rows(lines)
}

func (v *view) units() {
	v.Title("Enabled units")
	var lines, others []string
	for _, u := range v.img.Units {
		if u.From == inspect.FromPackage && !v.o.Full {
			others = append(others, u.Name)
			continue
		}
		lines = append(lines, u.Name+"\t"+strings.Join(u.By, ", ")+"\t"+u.From)
	}
	v.rows(lines)
	if len(others) > 0 {
		v.Wrap(canvas.Plural(len(slices.Compact(others)), "unit")+" more that packages enable for themselves.", "  ", "  ", canvas.Dim)
	}
	if len(v.img.Modules) > 0 {
		v.Wrap("Loaded before the root image is mounted: "+strings.Join(v.img.Modules, ", ")+".", "  ", "  ", canvas.Dim)
	}
}

// hardware says which drivers there are, by class, and what they load.
func (v *view) hardware() {
	h := v.img.Hardware
	if h.KernelModules == 0 {
		return
	}
	v.Title(fmt.Sprintf("Hardware: %s, of %s", canvas.Plural(len(h.Drivers), "driver"), canvas.Plural(h.KernelModules, "kernel module")))
	var lines []string
	class := ""
	for _, d := range h.Drivers {
		first, _, _ := strings.Cut(d.Class, "/") // "net" of net/ethernet/intel/e1000e
		if first != class {
			class = first
			lines = append(lines, class+"\t"+d.Name)
			continue
		}
		lines[len(lines)-1] += ", " + d.Name
	}
	lines = append(lines, "firmware files\t"+v.held(h.Firmware), "microcode\t"+v.held(h.Microcode))
	v.rows(lines)
}

// held names files and how large they are together.
func (v *view) held(files []inspect.File) string {
	const few = 6
	if len(files) == 0 {
		return "none"
	}
	var names []string
	var size int64
	for _, f := range files {
		names, size = append(names, f.Path), size+f.Size
	}
	if len(names) > few && !v.o.Full {
		names = append(names[:few], fmt.Sprintf("and %d more", len(files)-few))
	}
	return strings.Join(names, ", ") + "; " + bytesOf(size)
}

func (v *view) config() {
	v.Title("Config layer, " + canvas.Plural(len(v.img.Config), "file"))
	v.files(v.img.Config)
	var size int64
	for _, f := range v.img.Root {
		size += f.Size
	}
	v.Title("Root image")
	v.Wrap(fmt.Sprintf("%s, %s.", canvas.Plural(len(v.img.Root), "file"), bytesOf(size)), "  ", "  ", "")
}

func (v *view) root() {
	v.files(v.img.Root)
	v.Title("Initrd")
	v.files(v.img.Initrd)
}
