package checks

import (
	"embed"
	"io/fs"
	"sync"
)

// The built-in pack: the bottlenecks of a platform on its way to 1,000 calls/s and
// 60,000 calls held (bottlenecks.hcl), tuning (tuning.hcl), who may reach the
// appliance (security.hcl). Each rule has its fixtures below fixtures.
//
//go:embed *.hcl fixtures
var builtin embed.FS

// BuiltinName is the name of the built-in pack.
const BuiltinName = "built-in"

var parsed = sync.OnceValue(func() *Pack {
	p, diags, _ := Load(builtin, BuiltinName)
	if diags.HasErrors() {
		panic("policies/checks: the embedded rules are wrong: " + diags.Error()) // a test loads them
	}
	return p
})

// Builtin returns the built-in pack. It is shared: do not change it.
func Builtin() *Pack { return parsed() }

// BuiltinFS is the directory of the built-in pack, rules and fixtures.
func BuiltinFS() fs.FS { return builtin }
