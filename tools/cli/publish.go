package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"trunkline/appliance/sizing"
	"trunkline/image/publish"
	"trunkline/image/secureboot"
)

// keptImages is how many images of each appliance stay: the published one, and the one
// that an appliance which asked a moment ago may still be fetching.
const keptImages = 2

type publishOptions struct {
	dir, signer string
	keep        int
	allowOlder  bool
	changed     bool
}

func (a *app) publish() *cobra.Command {
	var o publishOptions
	c := &cobra.Command{
		Use:   "publish IMAGE...",
		Short: "Write the directory that appliances update from",
		Long: `Publish images for the appliances that have an update block: put each into DIR, with its
evidence, and then have the index of its appliance name it. IMAGE is NAME.efi, or the
directory OUT/NAME that a build wrote it to.

  DIR/NAME.json           the index: version, file, size, SHA-256, digest and signer
  DIR/NAME_VERSION.efi    the image
  DIR/NAME_VERSION.*.json its bills of material and its provenance

Any web server that serves the files of DIR over https does; update.url of the spec is its
address. An index never names a file that is not whole, and nothing is written unless all
images given can be published. Publishing the same image again changes nothing.

An image must be signed (build --secure-boot-key) and have a version that is newer than
the published one (build --image-version): appliances take no other. To go back, build the
older spec with a newer version. To withdraw a version that not all appliances have taken,
publish the one before it with --allow-older: those that have taken it stay with it.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return seeHelp(c, errors.New("the images are missing"))
			}
			return nil
		},
		PreRunE: func(c *cobra.Command, _ []string) error {
			switch {
			case o.dir == "":
				return seeHelp(c, errors.New("the directory to publish to is missing: name it with -o"))
			case o.keep < 1:
				return seeHelp(c, errors.New("--keep: keep at least the image that is published, 1"))
			}
			return nil
		},
		RunE: a.does(func(ctx context.Context, args []string) error { return a.runPublish(ctx, args, o) }),
	}
	c.Flags().StringVarP(&o.dir, "out", "o", "", "`DIR` to publish to; it is made if missing")
	c.Flags().StringVar(&o.signer, "signer", "", "certificate `FILE` that must have signed the images: update.signer of the spec (default: any)")
	c.Flags().IntVar(&o.keep, "keep", keptImages, "how many images of each appliance stay in DIR")
	c.Flags().BoolVar(&o.allowOlder, "allow-older", false, "publish a version that is older than the published one")
	c.Flags().BoolVar(&o.changed, "changed", false, "leave appliances alone whose published image differs in nothing but the version")
	return c
}

func (a *app) runPublish(ctx context.Context, images []string, o publishOptions) error {
	var signer *x509.Certificate
	if o.signer != "" {
		var err error
		if signer, err = secureboot.LoadCertificate(o.signer); err != nil {
			return fmt.Errorf("--signer: %w", err)
		}
	}
	done, err := publish.Publish(ctx, images, publish.Options{Dir: o.dir, Keep: o.keep, Signer: signer, AllowOlder: o.allowOlder, Changed: o.changed})
	for _, r := range done { // also those before one that failed
		what := "published"
		switch {
		case r.Alike:
			fmt.Fprintf(a.Stdout, "%s stays at %s: nothing but the version is new in %s\n", r.Name, r.Before, r.Version)
			continue
		case r.Same:
			what = "is published already"
		case r.Before != "":
			what = "published, after " + r.Before
		}
		fmt.Fprintf(a.Stdout, "%s %s %s: %s, %s, image %s\n", r.Name, r.Version, what, r.File, sizing.Bytes(float64(r.Size)), short(r.Image))
		if len(r.Removed) > 0 {
			fmt.Fprintf(a.Stdout, "  removed: %s\n", strings.Join(r.Removed, ", "))
		}
	}
	return err
}
