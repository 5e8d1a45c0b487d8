// Command init is the first program an appliance runs, from its initrd. Package
// boot says what it does.
package main

import "trunkline/tools/init/boot"

func main() { boot.Main() }
