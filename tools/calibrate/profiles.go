package calibrate

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

//go:embed profiles/*.hcl
var profiles embed.FS

// Profile is what the proxy under measurement does.
type Profile string

// The profiles.
const (
	Proxy Profile = "proxy" // a stateful proxy: what every spec has
	SBC   Profile = "sbc"   // dialogs, session timers and limits besides
)

// Profiles are all of them.
func Profiles() []Profile { return []Profile{Proxy, SBC} }

// receiveBuffer is that of a busy listener, so that a pause of a shared machine loses nothing, bytes.
const receiveBuffer = 4 << 20

// config writes the configuration of a profile below dir, as a plan of its spec says it, and
// returns its name.
func (p Profile) config(dir string) (string, error) {
	files := []string{"proxy.hcl"}
	if p == SBC {
		files = append(files, "sbc.hcl")
	}
	dir = filepath.Join(dir, string(p))
	source := filepath.Join(dir, "spec")
	if err := os.MkdirAll(source, 0o755); err != nil {
		return "", err
	}
	for _, name := range files {
		b, err := profiles.ReadFile("profiles/" + name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(source, name), b, 0o644); err != nil {
			return "", err
		}
	}
	s, diags, _ := spec.Load(source, spec.Options{})
	if diags.HasErrors() {
		return "", fmt.Errorf("the spec of profile %s: %w", p, diags)
	}
	made, err := plan.Make(s, sizing.Size(s, sizing.DefaultCoefficients()), plan.Options{})
	if err != nil {
		return "", fmt.Errorf("the plan of profile %s: %w", p, err)
	}
	a := made.Appliance
	a.Listeners[0].RecvBuffer = receiveBuffer
	b, err := runtime.Encode(a)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "appliance.json")
	return name, os.WriteFile(name, b, 0o644)
}
