// Command sbcd is the SIP proxy of an appliance, and the small jobs its image's
// units need done: run, firewall, status. Its commands live in package
// trunkline/tools/sbcd/cmd.
package main

import (
	"os"

	"trunkline/tools/sbcd/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:])) }
