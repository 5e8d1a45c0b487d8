package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trunkline/appliance/spec"
)

// inputsHelp is the part of a command's help about values from outside a spec.
const inputsHelp = `

Values for the spec's variables come from --var and --var-file, the last of these
counting, then from the appliance's entry in a fleet, then from the environment
(` + spec.VariablePrefix + `NAME), then from the variable's default.`

// specInputs are what a command takes beside the directory of a spec.
type specInputs struct {
	appliance string
	variables []spec.Input // in the order of the command line
}

// specFlags gives a command the flags of specInputs.
func (a *app) specFlags(c *cobra.Command) {
	c.Flags().VarP(&varFlag{&a.inputs}, "var", "", "value of a variable: `NAME=VALUE`; may be given several times")
	c.Flags().VarP(&varFileFlag{&a.inputs}, "var-file", "", "`FILE` of values, one NAME = VALUE a line, or JSON when it ends in .json; may be given several times")
	c.Flags().StringVar(&a.inputs.appliance, "appliance", "", "the one `NAME` of a spec that describes several appliances")
}

// specOptions reads the files of values and makes what package spec wants.
func (a *app) specOptions() (spec.Options, error) {
	o := spec.Options{Appliance: a.inputs.appliance, Getenv: a.Getenv}
	for _, in := range a.inputs.variables {
		if in.Variable == "" {
			b, err := os.ReadFile(in.File)
			if err != nil {
				return o, fmt.Errorf("file of values: %w: name the file with -var-file", err)
			}
			in.Value = string(b)
		}
		o.Variables = append(o.Variables, in)
	}
	return o, nil
}

// varFlag is --var NAME=VALUE. It shares its list with --var-file, since the
// order of all of them decides.
type varFlag struct{ in *specInputs }

var _, _ pflag.Value = &varFlag{}, &varFileFlag{}

func (*varFlag) String() string { return "" }
func (*varFlag) Type() string   { return "NAME=VALUE" }

func (f *varFlag) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		return errors.New("write it as NAME=VALUE")
	}
	f.in.variables = append(f.in.variables, spec.Input{Variable: name, Value: value})
	return nil
}

type varFileFlag struct{ in *specInputs }

func (*varFileFlag) String() string { return "" }
func (*varFileFlag) Type() string   { return "FILE" }

func (f *varFileFlag) Set(name string) error {
	if name == "" {
		return errors.New("name a file")
	}
	f.in.variables = append(f.in.variables, spec.Input{File: name})
	return nil
}
