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

// lockOptions are the flags of lock.
type lockOptions struct {
	mirror, keyring string
	check           bool
}

func (a *app) lock() *cobra.Command {
	var o lockOptions
	c := &cobra.Command{
		Use:   "lock SPEC",
		Short: "Resolve the image's packages to exact versions and write the lock file",
		Long: `Read the signed package index of a Debian mirror, resolve what the image needs,
and write SPEC/` + debian.LockName + `. Commit that file: builds use nothing else.
One lock file serves all appliances of a spec.

What differs from the lock file before is shown: packages removed, added, changed from
one version to another, and by how much their sizes change. With --check nothing is
written, and the exit status is 3 when the mirror has other packages than the lock
file: what a job that runs every night looks for.` + inputsHelp,
		Args: oneArg("the spec directory"),
		RunE: a.does(func(ctx context.Context, args []string) error {
			return a.runLock(ctx, args[0], o)
		}),
	}
	a.specFlags(c)
	c.Flags().StringVar(&o.mirror, "mirror", "", mirrorHelp)
	c.Flags().StringVar(&o.keyring, "keyring", "", "`FILE` of OpenPGP keys the index must be signed with (default: Debian's, built in)")
	c.Flags().BoolVar(&o.check, "check", false, "write nothing; exit with status 3 if the mirror has other packages than the lock file")
	return c
}

func (a *app) runLock(ctx context.Context, dir string, o lockOptions) error {
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
	profile = profile.With(extras(specs))
	u, err := a.findMirror(o.mirror)
	if err != nil {
		return err
	}
	archive := debian.NewArchive(u, time.Now())
	if o.keyring != "" {
		if archive.Keyring, err = readKeyring(o.keyring); err != nil {
			return err
		}
	}
	ix, err := archive.Index(ctx, profile.Suite, profile.Architecture, profile.Components...)
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
	switch {
	case err == nil:
	case o.check:
		return err
	case !errors.Is(err, fs.ErrNotExist):
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
	changes := l.Diff(old)
	if o.check {
		a.showChanges(changes)
		fmt.Fprintf(a.Stdout, "%s: the mirror has other packages, %s. `trunkline lock %s` takes them.\n", name, changed(changes), dir)
		return exitStatus(exitUnformatted)
	}
	if err := writeFile(name, b); err != nil {
		return fmt.Errorf("lock file: %w", err)
	}
	a.showChanges(changes)
	fmt.Fprintf(a.Stdout, "%s: %s of %s, %s. Commit it.\n", name, what, profile.Suite, changed(changes))
	return nil
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
