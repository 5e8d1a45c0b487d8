// Command generate writes the JSON Schema of a plan from the Go types of plan, budget
// and appliance. It reads their sources for comments, so it runs in its own
// directory or in the one above, as go generate and go test have it. Fields that
// lack a comment are in the schema all the same; -bare lists them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("o", "", "file to write (required)")
	bare := flag.Bool("bare", false, "list the fields without a comment")
	flag.Parse()
	if err := run(*out, *bare); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out string, bare bool) error {
	if out == "" && !bare {
		return errors.New("name the file to write with -o")
	}
	module, err := findModule(".")
	if err != nil {
		return err
	}
	s, err := reflectSchema(module)
	if err != nil {
		return err
	}
	if bare {
		for _, field := range undescribed(s) {
			fmt.Println(field)
		}
	}
	if out == "" {
		return nil
	}
	b, err := render(s)
	if err != nil {
		return err
	}
	return os.WriteFile(out, b, 0o644)
}
