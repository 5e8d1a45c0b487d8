package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/spf13/cobra"

	"trunkline/appliance/sizing"
	"trunkline/image/debian"
)

const mirrorHelp = "`URL` of a Debian mirror, the directory that holds dists/ and pool/ (default: $" + debian.MirrorVariable + ", else this machine's apt configuration)"

func (a *app) lock() *cobra.Command {
	var mirror, keyring string
	c := &cobra.Command{
		Use:   "lock SPEC",
		Short: "Resolve the image's packages to exact versions and write the lock file",
		Long: `Read the signed package index of a Debian mirror, resolve what the image needs,
and write SPEC/` + debian.LockName + `. Commit that file: builds use nothing else.
One lock file serves all appliances of a spec.` + inputsHelp,
		Args: oneArg("the spec directory"),
		RunE: a.does(func(ctx context.Context, args []string) error {
			return a.runLock(ctx, args[0], mirror, keyring)
		}),
	}
	a.specFlags(c)
	c.Flags().StringVar(&mirror, "mirror", "", mirrorHelp)
	c.Flags().StringVar(&keyring, "keyring", "", "`FILE` of OpenPGP keys the index must be signed with (default: Debian's, built in)")
	return c
}

func (a *app) runLock(ctx context.Context, dir, mirror, keyring string) error {
	specs, err := a.loadAll(dir)
	if err != nil {
		return err
	}
	s := specs[0]
	for _, other := range specs[1:] {
		if other.Hardware.Platform != s.Hardware.Platform {
			return fmt.Errorf("%s is %s and %s is %s, and one lock file is for one platform: give the appliances of each platform a directory of their own",
				s.Appliance.Name, s.Hardware.Platform, other.Appliance.Name, other.Hardware.Platform)
		}
	}
	profile, err := debian.ProfileByName(s.Hardware.Platform)
	if err != nil {
		return err
	}
	u, err := a.findMirror(mirror)
	if err != nil {
		return err
	}
	archive := debian.NewArchive(u, time.Now())
	if keyring != "" {
		if archive.Keyring, err = readKeyring(keyring); err != nil {
			return err
		}
	}
	ix, err := archive.Index(ctx, profile.Suite, profile.Architecture)
	if err != nil {
		var network net.Error
		if errors.As(err, &network) && ctx.Err() == nil {
			return fmt.Errorf("%w: name a mirror this machine reaches with --mirror or $%s; the lock file stays as it was", err, debian.MirrorVariable)
		}
		return err
	}
	l, err := debian.NewLock(ix, profile)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, debian.LockName)
	old, err := debian.ReadLock(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(a.Stderr, "%s The old lock file is replaced without a comparison: %v\n", a.paint(a.Stderr, "Warning:", "1;33"), err)
	}
	b, err := l.Bytes()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s, %s", count(len(l.Packages), "package"), sizing.Bytes(float64(l.Size())))
	if before, err := os.ReadFile(name); err == nil && string(before) == string(b) {
		fmt.Fprintf(a.Stdout, "%s is up to date (%s).\n", name, what)
		return nil
	}
	if err := writeFile(name, b); err != nil {
		return fmt.Errorf("lock file: %w", err)
	}
	changes := l.Diff(old)
	a.showChanges(changes)
	fmt.Fprintf(a.Stdout, "%s: %s of %s, %s. Commit it.\n", name, what, profile.Suite, changed(changes))
	return nil
}

// showChanges lists what differs, removals first: they are what a reader must not
// overlook.
func (a *app) showChanges(changes []debian.Change) {
	for _, c := range changes {
		if c.New == "" {
			fmt.Fprintf(a.Stdout, "%s %s %s\n", a.paint(a.Stdout, "-", "31"), c.Name, c.Old)
		}
	}
	for _, c := range changes {
		switch {
		case c.New == "":
		case c.Old == "":
			fmt.Fprintf(a.Stdout, "%s %s %s\n", a.paint(a.Stdout, "+", "32"), c.Name, c.New)
		case c.Old == c.New:
			fmt.Fprintf(a.Stdout, "%s %s %s (same version, other content)\n", a.paint(a.Stdout, "~", "33"), c.Name, c.New)
		default:
			fmt.Fprintf(a.Stdout, "%s %s %s -> %s\n", a.paint(a.Stdout, "~", "33"), c.Name, c.Old, c.New)
		}
	}
}

// changed counts changes: "1 removed, 2 added, 0 changed".
func changed(changes []debian.Change) string {
	removed, added := 0, 0
	for _, c := range changes {
		switch {
		case c.New == "":
			removed++
		case c.Old == "":
			added++
		}
	}
	return fmt.Sprintf("%d removed, %d added, %d changed", removed, added, len(changes)-removed-added)
}

func (a *app) findMirror(flag string) (*url.URL, error) {
	return debian.FindMirror(debian.MirrorSources{
		Flag: flag,
		Env:  a.Getenv(debian.MirrorVariable),
		Apt:  os.DirFS("/etc/apt"),
	})
}

func readKeyring(name string) (openpgp.EntityList, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	defer f.Close()
	keys, err := openpgp.ReadKeyRing(f)
	if err == nil && len(keys) == 0 {
		err = errors.New("it holds no key")
	}
	if err != nil {
		return nil, fmt.Errorf("keyring %s: %w (binary OpenPGP keys are wanted, as `gpg --export` writes them)", name, err)
	}
	return keys, nil
}
