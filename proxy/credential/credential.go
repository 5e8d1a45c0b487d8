// Package credential reads the values of secrets, which are in no spec, plan, image or log.
//
// It promises that every error names the credential and says what to do, and never its value.
package credential

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"trunkline/appliance/runtime"
)

// Reader gives the content of a secret by its name; its errors say what to do.
type Reader = func(name string) ([]byte, error)

// New reads secrets where the service manager puts them (systemd.exec(5),
// $CREDENTIALS_DIRECTORY). Each is read once: all that is made of one result comes from the
// same bytes. It is for one goroutine.
func New(secrets []runtime.Secret) Reader {
	seen := map[string][]byte{}
	return func(name string) ([]byte, error) {
		if b, ok := seen[name]; ok {
			return b, nil
		}
		for _, s := range secrets {
			if s.Name != name {
				continue
			}
			b, err := read(s.Credential)
			if err == nil {
				seen[name] = b
			}
			return b, err
		}
		return nil, errors.New("the configuration has no secret of this name: write a secret block for it in the spec")
	}
}

func read(name string) ([]byte, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil, fmt.Errorf("sbcd was handed no credentials: pass credential %s to the appliance when it boots; elsewhere, put it into a file of this name and its directory into CREDENTIALS_DIRECTORY", name)
	}
	b, err := os.ReadFile(filepath.Join(dir, filepath.Base(name)))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("sbcd was not handed credential %s: pass it to the appliance when it boots, under exactly this name", name)
	case err != nil:
		return nil, fmt.Errorf("credential %s cannot be read: %w", name, err)
	case len(b) == 0:
		return nil, fmt.Errorf("credential %s is empty: pass its content to the appliance", name)
	}
	return b, nil
}
