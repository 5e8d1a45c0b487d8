package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"trunkline/appliance/plan/diff"
	"trunkline/tools/report/changes"
	"trunkline/tools/report/markdown"
)

// diffFormats are the formats of a diff.
var diffFormats = []string{formatText, formatJSON, formatMarkdown}

// diffOptions choose how a diff is shown.
type diffOptions struct {
	format                 string
	limit                  int // of markdown, bytes; 0: the format's own
	asJSON, full, detailed bool
}

// flags gives a command the flags of o.
func (o *diffOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.format, "format", formatText, "`FORMAT` of the differences: "+strings.Join(diffFormats, ", "))
	c.Flags().IntVar(&o.limit, "limit", 0, limitHelp)
	c.Flags().BoolVar(&o.asJSON, "json", false, "print the differences as JSON, short for --format json")
	c.Flags().BoolVar(&o.full, "full", false, "print everything, files line by line")
	c.Flags().BoolVar(&o.detailed, detailedExitCode, false, "exit with 2 when something changes")
	if err := c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(diffFormats, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is in the lines above
	}
}

// check refuses flags that contradict each other.
func (o *diffOptions) check(c *cobra.Command) error {
	switch {
	case o.asJSON && o.full:
		return errors.New("--json holds all that --full shows: give one of the two")
	case o.asJSON && c.Flags().Changed("format") && o.format != formatJSON:
		return fmt.Errorf("--json and --format %s: give one of the two", o.format)
	case o.asJSON:
		o.format = formatJSON
	}
	switch {
	case !slices.Contains(diffFormats, o.format):
		return fmt.Errorf("there is no format %q: choose one of %s", o.format, strings.Join(diffFormats, ", "))
	case o.full && o.format != formatText:
		return fmt.Errorf("--full is for text, %s has a form of its own: give one of the two", o.format)
	}
	return checkLimit(c, o.limit, o.format)
}

// limitHelp is the help of --limit, of plans and diffs.
var limitHelp = fmt.Sprintf("largest size of markdown in `BYTES` (default %d: a comment of a code host)", markdown.DefaultLimit)

// checkLimit refuses a size that no view would keep.
func checkLimit(c *cobra.Command, limit int, format string) error {
	switch {
	case !c.Flags().Changed("limit"):
		return nil
	case format != formatMarkdown:
		return errors.New("--limit is for --format markdown: leave it out")
	case limit < markdown.MinLimit:
		return fmt.Errorf("--limit %d is too small: what must be seen takes %d bytes", limit, markdown.MinLimit)
	}
	return nil
}

// showDiff writes what differs between two plans.
func (a *app) showDiff(d *diff.Diff, o diffOptions) error {
	switch o.format {
	case formatMarkdown:
		return markdown.Diff(a.Stdout, d, markdown.Options{Limit: o.limit})
	case formatJSON:
		return a.writeBytes(diff.Encode(d))
	}
	return changes.Text(a.Stdout, d, a.changesOptions(o))
}

// showFleetDiff writes what differs between two fleets.
func (a *app) showFleetDiff(f *diff.Fleet, o diffOptions) error {
	switch o.format {
	case formatMarkdown:
		return markdown.DiffFleet(a.Stdout, f, markdown.Options{Limit: o.limit})
	case formatJSON:
		return a.writeBytes(diff.EncodeFleet(f))
	}
	return changes.Fleet(a.Stdout, f, a.changesOptions(o))
}

func (a *app) changesOptions(o diffOptions) changes.Options {
	return changes.Options{Width: width(a.Stdout), Full: o.full, Color: a.color(a.Stdout)}
}

func (a *app) writeBytes(b []byte, err error) error {
	if err == nil {
		_, err = a.Stdout.Write(b)
	}
	return err
}
