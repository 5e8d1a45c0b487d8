package cli

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"trunkline/appliance/spec"
)

// starter is a spec like any other; init changes the name in it alone.
//
//go:embed starter/*.hcl
var starter embed.FS

const starterName = `appliance "starter"`

func (a *app) init() *cobra.Command {
	return &cobra.Command{
		Use:   "init [NAME|DIR]",
		Short: "Write a commented spec to start from",
		Long: `Write a commented spec to start from. It is valid as it is; replace its figures and
addresses by yours.

NAME is a directory to make, and the last part of its path the name of the appliance.
Without it the spec goes into the current directory, which must be empty but for .git.
Nothing is asked and nothing overwritten.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return seeHelp(c, fmt.Errorf("one name is wanted, not %d: %s", len(args), strings.Join(args, " ")))
			}
			return nil
		},
		RunE: a.does(func(_ context.Context, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return a.runInit(dir)
		}),
	}
}

func (a *app) runInit(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	files, err := starterSpec(filepath.Base(abs))
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if err := mustBeFree(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("%s: %w", dir, cause(err))
	}
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		if err := writeFile(name, f.data); err != nil {
			return fmt.Errorf("%s: %w", name, cause(err))
		}
		if _, err := fmt.Fprintln(a.Stdout, name); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.Stderr, "A spec of %s that is valid as it is. Replace its figures and addresses by yours, then: trunkline plan %s\n", filepath.Base(abs), dir)
	return nil
}

// starterFile is one file of the starter.
type starterFile struct {
	name string
	data []byte
}

// starterSpec gives the starter under a name.
func starterSpec(name string) ([]starterFile, error) {
	if !spec.ValidApplianceName(name) {
		return nil, fmt.Errorf("the name %q becomes the host name, so it must be %s", name, spec.ApplianceNameRule)
	}
	var out []starterFile
	entries, err := starter.ReadDir("starter")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		b, err := starter.ReadFile("starter/" + e.Name())
		if err != nil {
			return nil, err
		}
		b = bytes.Replace(b, []byte(starterName), fmt.Appendf(nil, "appliance %q", name), 1)
		out = append(out, starterFile{e.Name(), b})
	}
	return out, nil
}

// mustBeFree refuses a directory in which there is something.
func mustBeFree(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return cause(err)
	}
	for _, e := range entries {
		if e.Name() != ".git" {
			return fmt.Errorf("the directory is not empty, it holds %s: name a new one", e.Name())
		}
	}
	return nil
}
