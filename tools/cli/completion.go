package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trunkline/appliance/spec"
	"trunkline/tools/calibrate"
)

// shells adds `trunkline completion SHELL` and makes it refuse other shells.
func shells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Use, c.Short = "completion SHELL", "Print a completion script for a shell"
		c.Long = `Print a script that completes commands, flags, specs and names within them in a shell.
The help of each shell says how to load it.`
		var names []string
		for _, sub := range c.Commands() {
			names = append(names, sub.Name())
		}
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return seeHelp(c, fmt.Errorf("the shell is missing: %s", strings.Join(names, ", ")))
			}
			return seeHelp(c, fmt.Errorf("there is no completion for %q, only for %s", args[0], strings.Join(names, ", ")))
		}
		c.Args = cobra.ArbitraryArgs
	}
}

// completer gives what a word may become.
type completer = func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// complete teaches the shell the arguments and flags of all commands: from what
// their usage line calls them, so that no command has to.
func complete(c *cobra.Command) {
	for _, sub := range c.Commands() {
		complete(sub)
	}
	if c.HasSubCommands() {
		return
	}
	if c.ValidArgsFunction == nil {
		c.ValidArgsFunction = argumentCompleter(c)
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if g := flagCompleter(c, f.Name); g != nil {
			// It fails for a flag that has one already, or is not there.
			_ = c.RegisterFlagCompletionFunc(f.Name, g)
		}
	})
}

func argumentCompleter(c *cobra.Command) completer {
	words := strings.Fields(c.Use)[1:]
	what := ""
	if len(words) > 0 {
		what = words[0]
	}
	switch {
	case strings.HasPrefix(what, "SPEC"), c.Name() == "upgrade":
		return atMost(1, completeDirs(holdsSpec))
	case c.HasParent() && c.Parent().Name() == "cache":
		return fixed(nil, cobra.ShellCompDirectiveDefault)
	case what == "A": // diff
		return atMost(2, completeDirs(holdsSpec))
	case c.Name() == "keys":
		return atMost(1, fixed(nil, cobra.ShellCompDirectiveFilterDirs))
	case c.Name() == "boot", c.Name() == "inspect":
		return atMost(1, completeDirs(holdsImage))
	case c.Name() == "publish":
		return completeDirs(holdsImage)
	case strings.HasPrefix(what, "[PATH"):
		return fixed([]string{"hcl"}, cobra.ShellCompDirectiveFilterFileExt)
	case strings.Contains(what, "DIR"):
		return atMost(1, fixed(nil, cobra.ShellCompDirectiveFilterDirs))
	}
	return fixed(nil, cobra.ShellCompDirectiveNoFileComp)
}

func flagCompleter(c *cobra.Command, name string) completer {
	switch name {
	case "format":
		return fixed(planFormats, cobra.ShellCompDirectiveNoFileComp)
	case "appliance":
		return named("appliance", "")
	case "var":
		return named("variable", "=")
	case "policies", "programs", "cache", "secure-boot-enroll":
		return fixed(nil, cobra.ShellCompDirectiveFilterDirs)
	case "calibration":
		return fixed([]string{"hcl"}, cobra.ShellCompDirectiveFilterFileExt)
	case "secure-boot-key":
		return fixed([]string{"key", "pem"}, cobra.ShellCompDirectiveFilterFileExt)
	case "secure-boot-cert":
		return fixed([]string{"crt", "cer", "pem"}, cobra.ShellCompDirectiveFilterFileExt)
	case "plan":
		return fixed([]string{"json"}, cobra.ShellCompDirectiveFilterFileExt)
	case "out":
		if c.Name() == "bake" || c.Name() == "build" {
			return fixed(nil, cobra.ShellCompDirectiveFilterDirs)
		}
		if c.Name() == "calibrate" {
			return fixed([]string{"hcl"}, cobra.ShellCompDirectiveFilterFileExt)
		}
	case "profile":
		return fixed([]string{string(calibrate.Proxy), string(calibrate.SBC)}, cobra.ShellCompDirectiveNoFileComp)
	}
	return nil
}

func fixed(list []string, d cobra.ShellCompDirective) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) { return list, d }
}

// atMost offers nothing after the last argument.
func atMost(n int, f completer) completer {
	return func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(c, args, word)
	}
}

// completeDirs offers the directories that are meant, with what they hold, and
// those on the way to further ones.
func completeDirs(holds func(dir string) (string, bool)) completer {
	return func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		in, begun := filepath.Split(word)
		var out []string
		if about, ok := holds("."); ok && word == "" {
			out = append(out, ".\t"+about)
		}
		for _, name := range dirsIn(in) {
			if !strings.HasPrefix(name, begun) || strings.HasPrefix(name, ".") && !strings.HasPrefix(begun, ".") {
				continue
			}
			p := in + name
			if about, ok := holds(p); ok {
				out = append(out, p+"\t"+about)
			} else if len(dirsIn(p)) > 0 {
				out = append(out, p+string(filepath.Separator))
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
		return out, directive
	}
}

// dirsIn lists the directories in one; none where it cannot be read.
func dirsIn(dir string) []string {
	if dir == "" {
		dir = "."
	}
	entries, _ := os.ReadDir(dir)
	var out []string
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

// holdsSpec says which appliances a directory is the spec of.
func holdsSpec(dir string) (string, bool) {
	names, err := specFiles(dir, false)
	if err != nil || len(names) == 0 {
		return "", false
	}
	return strings.Join(blockNames(dir, "appliance"), ", "), true
}

// holdsImage says whether `trunkline build` wrote a directory.
func holdsImage(dir string) (string, bool) {
	_, err := os.Stat(filepath.Join(dir, "plan.json"))
	return "built image", err == nil
}

// named offers the names of one type of block in the spec that is being typed.
func named(typ, suffix string) completer {
	return func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		dir := "."
		if len(args) > 0 {
			dir = args[0]
		}
		directive := cobra.ShellCompDirectiveNoFileComp
		if suffix != "" {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		var out []string
		for _, name := range blockNames(dir, typ) {
			if strings.HasPrefix(name, word) {
				out = append(out, name+suffix)
			}
		}
		return out, directive
	}
}

// blockNames lists the names of blocks in the files of a spec that can be read,
// whatever else is wrong with it.
func blockNames(dir, typ string) []string {
	files, err := specFiles(dir, false)
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range files {
		r, err := readRewrite(name)
		if err != nil {
			continue
		}
		f, _ := spec.Parse(r.old, name)
		body, ok := f.Body.(*hclsyntax.Body)
		if !ok {
			continue
		}
		for _, b := range body.Blocks {
			if b.Type == typ && len(b.Labels) == 1 {
				out = append(out, b.Labels[0])
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
