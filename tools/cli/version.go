package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"trunkline/appliance/plan"
	appliance "trunkline/appliance/runtime"
	"trunkline/appliance/spec"
	"trunkline/image/debian"
)

// versions is what `trunkline version -json` prints: the program's version, and
// those of the formats it reads and writes.
type versions struct {
	Trunkline string         `json:"trunkline"`
	Go        string         `json:"go"`
	Platform  string         `json:"platform"`
	Formats   map[string]int `json:"formats"`
}

func (c *commands) version() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: c.does(func(context.Context, []string) error {
			v := versions{
				Trunkline: version,
				Go:        runtime.Version(),
				Platform:  runtime.GOOS + "/" + runtime.GOARCH,
				Formats: map[string]int{
					"spec": spec.FormatVersion, "plan": plan.FormatVersion,
					"appliance": appliance.FormatVersion, "lock": debian.LockFormatVersion,
				},
			}
			if asJSON {
				enc := json.NewEncoder(c.Stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(v)
			}
			_, err := fmt.Fprintf(c.Stdout, "trunkline %s (%s, %s)\n", v.Trunkline, v.Go, v.Platform)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON, with the versions of the file formats")
	return cmd
}
