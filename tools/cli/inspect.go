package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/appliance/runtime"
	"trunkline/image/inspect"
	"trunkline/tools/report/inspection"
)

// inspected is what `trunkline inspect -json` prints.
type inspected struct {
	*inspect.Image
	// Appliance is who the image is; nil: its config layer configures none.
	Appliance *identity `json:"appliance"`
}

// identity is an appliance as its image names it.
type identity struct {
	Name       string `json:"name"`
	Site       string `json:"site,omitempty"`
	SpecDigest string `json:"spec_digest"`
}

func (a *app) inspect() *cobra.Command {
	var asJSON, full bool
	c := &cobra.Command{
		Use:   "inspect IMAGE",
		Short: "What is in an image: appliance, packages, units, configuration, signature",
		Long: `Read an image and print what is in it: whose it is and of which spec, kernel command
line, sections, Debian packages with versions and licences, the programs of Trunkline,
enabled units, the files of the config layer, and the EFI system partition of a disk.

IMAGE is NAME.efi, NAME.raw, NAME.qcow2, NAME.iso, or the directory a build wrote them to. All is read from the
image itself, nothing from the files beside it: what is printed is what would boot. Nothing
is mounted, and no root is needed.

The image's digest is computed anew and compared with the one in its command line, and
signatures for Secure Boot are checked against what they are of. When something does not
hold, the image was changed after it was built or signed, and the exit status is 1. Whether
a machine trusts who signed is for its firmware to say.

--full lists every file of the root image, every module and every unit; --json has all of
it, with digests (fields: package image/inspect).`,
		Args: oneArg("the image"),
		PreRunE: func(c *cobra.Command, _ []string) error {
			if asJSON && full {
				return seeHelp(c, errors.New("--json holds all that --full shows: give one of the two"))
			}
			return nil
		},
		RunE: a.does(func(_ context.Context, args []string) error { return a.runInspect(args[0], asJSON, full) }),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.Flags().BoolVar(&full, "full", false, "list everything")
	return c
}

func (a *app) runInspect(path string, asJSON, full bool) error {
	img, err := inspect.Open(path)
	if err != nil {
		return err
	}
	appliance, err := applianceOf(img)
	if err != nil {
		return err
	}
	if asJSON {
		out := inspected{Image: img}
		if appliance != nil {
			out.Appliance = &identity{Name: appliance.Name, Site: appliance.Site, SpecDigest: appliance.SpecDigest}
		}
		enc := json.NewEncoder(a.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(out)
	} else {
		err = inspection.Text(a.Stdout, img, appliance, inspection.Options{Width: width(a.Stdout), Full: full, Color: a.color(a.Stdout)})
	}
	if err == nil {
		if changed := img.Changed(); changed != nil {
			return fmt.Errorf("%w. Do not boot it; build it again, or fetch it again from where it was built", changed)
		}
	}
	return err
}

// applianceOf reads the configuration of an image; nil when it has none.
func applianceOf(img *inspect.Image) (*runtime.Appliance, error) {
	b := img.ConfigFile(runtime.DefaultPath)
	if b == nil {
		return nil, nil
	}
	appliance, err := runtime.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", img.Path, runtime.DefaultPath, err)
	}
	return appliance, nil
}
