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
	Trunkline string `json:"trunkline"`
	Go        string `json:"go"`
	Platform  string `json:"platform"`
	Spec      int    `json:"spec_format_version"`
	Plan      int    `json:"plan_format_version"`
	Appliance int    `json:"appliance_format_version"`
	Lock      int    `json:"lock_format_version"`
}

func (a *app) version() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: a.does(func(context.Context, []string) error {
			v := versions{
				Trunkline: version,
				Go:        runtime.Version(),
				Platform:  runtime.GOOS + "/" + runtime.GOARCH,
				Spec:      spec.FormatVersion,
				Plan:      plan.FormatVersion,
				Appliance: appliance.FormatVersion,
				Lock:      debian.LockFormatVersion,
			}
			if asJSON {
				enc := json.NewEncoder(a.Stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(v)
			}
			_, err := fmt.Fprintf(a.Stdout, "trunkline %s (%s, %s)\n", v.Trunkline, v.Go, v.Platform)
			return err
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON, with the versions of the file formats")
	return c
}
