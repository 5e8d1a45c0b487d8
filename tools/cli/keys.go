package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trunkline/image/secureboot"
)

type keysOptions struct {
	name  string // in the certificates
	years int
}

func (a *app) keys() *cobra.Command {
	var o keysOptions
	c := &cobra.Command{
		Use:   "keys DIR",
		Short: "Make keys for Secure Boot and sealed credentials",
		Long: `Make a set of keys of your own for Secure Boot, in DIR. Nothing is overwritten, and
only you can read the files. Three keys, each with its certificate:

  PK    owns the machine: signs changes of KEK. Keep PK.key offline.
  KEK   signs changes of db, the list of what may start. Keep KEK.key offline.
  db    signs images. db.key and db.crt go to where images are built:
        build --secure-boot-key DIR/db.key --secure-boot-cert DIR/db.crt

What a machine needs is public. One of these forms does:

  PK.auth KEK.auth db.auth   signed updates, for firmware in setup mode. build
                             --secure-boot-enroll DIR puts them onto the disk, from where
                             a virtual machine takes them when it boots first
  PK.cer KEK.cer db.cer      certificates (DER), for the setup screens of firmware. Enrol
                             db first and PK last: PK ends setup mode
  PK.esl KEK.esl db.esl      signature lists, for other tools, with owner.guid, which
                             marks the entries as yours

One more key is for credentials that a machine's TPM opens:

  pcr.key   signs what the TPM holds once an image has started:
            build --pcr-key DIR/pcr.key
  pcr.pub   seals credentials, so that any image signed with pcr.key opens them:
            systemd-creds encrypt --with-key=tpm2-with-public-key
            --tpm2-public-key=DIR/pcr.pub --tpm2-public-key-pcrs=11 --tpm2-pcrs= ...

Whoever has db.key can make what your machines start; whoever has PK.key can give them
other keys. Keep a copy: a machine whose PK is lost must be put into setup mode by hand.`,
		Args: oneArg("the directory to write"),
		RunE: a.does(func(_ context.Context, args []string) error { return a.runKeys(args[0], o) }),
	}
	c.Flags().StringVar(&o.name, "name", "Trunkline", "`NAME` of the owner, in the subjects of the certificates")
	c.Flags().IntVar(&o.years, "years", 20, "how long the certificates are good for; firmware does not look")
	return c
}

func (a *app) runKeys(dir string, o keysOptions) error {
	if strings.TrimSpace(o.name) == "" || len(o.name) > 40 {
		return errors.New("--name: give a name of 1 to 40 bytes") // with the title, 64 at most (RFC 5280, ub-common-name)
	}
	if o.years < 1 || o.years > 100 {
		return errors.New("--years: give 1 to 100")
	}
	now := time.Now()
	set, err := secureboot.NewKeySet(o.name, now, o.years)
	if err != nil {
		return err
	}
	files, err := set.Files(now)
	if err != nil {
		return err
	}
	pcr, err := pcrFiles()
	if err != nil {
		return err
	}
	files = append(files, pcr...)
	if err := secureboot.WriteFiles(dir, files); err != nil {
		return err
	}
	for _, f := range files {
		if _, err := fmt.Fprintln(a.Stdout, filepath.Join(dir, f.Name)); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.Stderr, `Keep %s and %s offline. Sign images with
  trunkline build SPEC --secure-boot-key %s --secure-boot-cert %s
and, where a TPM opens credentials, with --pcr-key %s
`, filepath.Join(dir, "PK.key"), filepath.Join(dir, "KEK.key"), filepath.Join(dir, "db.key"), filepath.Join(dir, "db.crt"), filepath.Join(dir, "pcr.key"))
	return nil
}
