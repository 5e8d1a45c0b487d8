// Program trunkline turns a spec into a plan and a bootable appliance image. It
// is its commands: see package cli.
package main

import (
	"os"

	"trunkline/tools/cli"
)

func main() { os.Exit(cli.Main()) }
