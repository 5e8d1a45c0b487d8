// Command sipload places SIP calls at a fixed rate and answers them, and says what
// a proxy between the two sides cost: latencies, losses, CPU seconds. Its commands
// live in package trunkline/tools/sipload/cmd.
package main

import (
	"os"

	"trunkline/tools/sipload/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:])) }
