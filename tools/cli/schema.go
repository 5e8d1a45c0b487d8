package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/appliance/plan/schema"
	"trunkline/appliance/spec/reference"
)

// schemas are the documents `trunkline schema` knows; the first is what it prints
// when asked for none.
var schemas = []struct {
	name, about string
	render      func() ([]byte, error)
}{
	{"spec", "the spec language, in the JSON form of HCL", reference.JSONSchema},
	{"plan", "plans, as `plan --json` prints them and builds keep them", func() ([]byte, error) { return schema.Plan(), nil }},
}

func (a *app) schema() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "schema [spec | plan]",
		Short: "Print the JSON Schema of the spec language, for editors, or of a plan",
		Long: `Print a JSON Schema (2020-12).

  schema spec   of the spec language in the JSON form of HCL, for editors and for
                programs that write specs. Trunkline itself reads the native
                syntax, in files called *.hcl. This is what "schema" alone prints.
  schema plan   of a plan, as plan --json prints it, plan --out saves it and a build
                keeps it in plan.json, and of the plans of a fleet: for programs
                that read them.

Both are of this version's format; trunkline version --json says which.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return seeHelp(c, fmt.Errorf("one argument is wanted (spec or plan), not %d", len(args)))
			}
			if _, err := schemaOf(args); err != nil {
				return seeHelp(c, err)
			}
			return nil
		},
		RunE: a.does(func(_ context.Context, args []string) error {
			render, err := schemaOf(args)
			if err != nil {
				return err
			}
			b, err := render()
			if err != nil {
				return err
			}
			return a.output(out, b)
		}),
	}
	var names []string
	for _, s := range schemas {
		names = append(names, s.name+"\t"+s.about)
	}
	c.ValidArgsFunction = atMost(1, fixed(names, cobra.ShellCompDirectiveNoFileComp))
	c.Flags().StringVarP(&out, "out", "o", "", "`FILE` to write instead of standard output")
	return c
}

// schemaOf is what renders the schema that arguments name.
func schemaOf(args []string) (func() ([]byte, error), error) {
	if len(args) == 0 {
		return schemas[0].render, nil
	}
	for _, s := range schemas {
		if s.name == args[0] {
			return s.render, nil
		}
	}
	return nil, fmt.Errorf("there is no schema of %q: spec or plan", args[0])
}
