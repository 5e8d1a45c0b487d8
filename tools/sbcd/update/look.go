package update

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"

	"trunkline/image/entry"
	"trunkline/image/release"
	"trunkline/tools/sbcd/slots"
)

// Result is how a look for an update ended.
type Result string

// Results of a look.
const (
	Current   Result = "current"   // the newest runs
	Older     Result = "older"     // an older one than that which runs is announced
	FellBack  Result = "fell-back" // the newest was tried, and did not come up
	OnTrial   Result = "on-trial"  // the one that runs is not found good yet: nothing is done
	Available Result = "available" // a newer one could be installed
	Installed Result = "installed" // a newer one was
	Waiting   Result = "waiting"   // the newest is installed, and waits for a restart
	Withdrawn Result = "withdrawn" // one that waited is announced no more: it was taken away
	NotYet    Result = "not-yet"   // there was no look since the boot
	Failed    Result = "failed"    // see the error
)

// Updater is one appliance and where its images come from.
type Updater struct {
	Name    string // of the appliance
	Version string // of the image it runs
	Signer  *x509.Certificate
	Tries   int // boots of a new image before the old one returns
	Source  *Source
	ESP     *slots.ESP
}

// Options of one look.
type Options struct {
	Check bool // install nothing
	Again bool // also install what was tried and did not come up
}

// Outcome is what a look found.
type Outcome struct {
	Result    Result
	Announced string // version; empty: the server said nothing that was understood
	Reason    string // with FellBack: why it did not come up
}

// Look asks for the newest image and installs it when there is reason to.
func (u *Updater) Look(ctx context.Context, o Options) (Outcome, error) {
	images, err := u.ESP.Images()
	if err != nil {
		return Outcome{Result: Failed}, &Error{Disk, err, "look at the disk"}
	}
	for _, i := range images {
		if i.Booted && !i.Good() && !o.Check {
			return Outcome{Result: OnTrial}, nil
		}
	}
	x, err := u.Source.Index(ctx, u.Name)
	if err != nil {
		return Outcome{Result: Failed}, err
	}
	fallen, _, err := u.ESP.Failure()
	if err != nil {
		return Outcome{Result: Failed}, &Error{Disk, err, "look at the disk"}
	}
	out := Outcome{Announced: x.Version}
	out.Result = u.judge(x.Version, images, fallen.Version, o)
	if out.Result == FellBack {
		out.Reason = fallen.Reason
	}
	if (out.Result == Current || out.Result == Older) && !o.Check {
		return u.withdraw(out, images)
	}
	if out.Result != Available || o.Check {
		return out, nil
	}
	if x.Signer != release.Fingerprint(u.Signer) { // before a byte of it is fetched
		out.Result = Failed
		return out, wrongSigner("version "+x.Version, fmt.Errorf("the index says it is signed by the certificate sha256:%.12s", x.Signer), u.Signer)
	}
	if err := u.install(ctx, x); err != nil {
		out.Result = Failed
		return out, err
	}
	out.Result = Installed
	return out, nil
}

// judge says what an announced version is to this appliance, which fell back from another
// one, if any.
func (u *Updater) judge(version string, images []slots.Image, fallen string, o Options) Result {
	order := entry.CompareVersions(version, u.Version)
	if order == 0 {
		return Current
	}
	for _, i := range images {
		if entry.CompareVersions(i.Version, version) != 0 {
			continue
		}
		if !i.Failed() && order > 0 {
			return Waiting
		}
	}
	if fallen != "" && entry.CompareVersions(fallen, version) == 0 && !o.Again {
		return FellBack
	}
	if order < 0 {
		return Older // systemd-boot would go on starting the newer one
	}
	return Available
}

// withdraw takes away a newer image that waits for its first boot, since it is announced no
// more: who publishes an older one has second thoughts.
func (u *Updater) withdraw(out Outcome, images []slots.Image) (Outcome, error) {
	for _, i := range images {
		if i.Booted || i.Left <= 0 || i.Done > 0 || entry.CompareVersions(i.Version, u.Version) <= 0 {
			continue
		}
		if err := u.ESP.Withdraw(i); err != nil {
			return Outcome{Result: Failed, Announced: out.Announced}, &Error{Disk, err, "look at the disk"}
		}
		out.Result = Withdrawn
	}
	return out, nil
}

func (u *Updater) install(ctx context.Context, x release.Index) error {
	return u.Source.Image(ctx, x, func(body io.Reader) error {
		from := &watched{Reader: body}
		_, err := u.ESP.Install(ctx, x.Name, x.Version, u.Tries, x.Size, from, func(path string) error { return inspect(path, x, u.Signer) })
		if stopped := ctx.Err(); stopped != nil {
			return errors.Join(stopped, err)
		}
		if from.ended && from.n < x.Size || from.n > x.Size {
			return &Error{BadImage, fmt.Errorf("%s: %w, the index says %d bytes", x.File, err, x.Size), "publish it again"}
		}
		return notInstalled(x.Version, err)
	})
}

// notInstalled sorts the error of an installation.
func notInstalled(version string, err error) error {
	var known *Error
	var full *slots.NoRoom
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.As(err, &full):
		return &Error{NoRoom, fmt.Errorf("version %s needs %d bytes on the EFI system partition, and there are %d beside what stays (version %s)", version, full.Need, full.Have, strings.Join(full.KeptVersions, ", ")),
			"write the disk anew from the raw image of a build, whose partition has room for three images of its size"}
	}
	return &Error{Disk, fmt.Errorf("version %s cannot be installed: %w", version, err), "look at the disk"}
}

// watched counts what is read, and knows the end.
type watched struct {
	io.Reader
	n     int64
	ended bool
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.n += int64(n)
	w.ended = w.ended || errors.Is(err, io.EOF)
	return n, err
}

// Next is the version that the next boot starts instead of the one that runs; empty: none
// waits.
func (u *Updater) Next() (string, error) {
	images, err := u.ESP.Images()
	if err != nil {
		return "", &Error{Disk, err, "look at the disk"}
	}
	if len(images) > 0 && !images[0].Booted && images[0].Left > 0 && entry.CompareVersions(images[0].Version, u.Version) > 0 {
		return images[0].Version, nil
	}
	return "", nil
}
