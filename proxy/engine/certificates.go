package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"trunkline/appliance/runtime"
	"trunkline/proxy/stream"
)

// credential gives the content of a secret by its name; its errors say what to do.
type credential = func(name string) ([]byte, error)

// credentials reads secrets where the service manager puts them (systemd.exec(5),
// $CREDENTIALS_DIRECTORY). Each is read once: all that is made of one result comes from the
// same bytes.
func credentials(secrets []runtime.Secret) credential {
	read := map[string][]byte{}
	return func(name string) ([]byte, error) {
		if b, ok := read[name]; ok {
			return b, nil
		}
		for _, s := range secrets {
			if s.Name != name {
				continue
			}
			b, err := readCredential(s.Credential)
			if err == nil {
				read[name] = b
			}
			return b, err
		}
		return nil, errors.New("the configuration has no secret of this name: write a secret block for it in the spec")
	}
}

func readCredential(name string) ([]byte, error) {
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

// checkSecrets reads what all listeners show and accept, before any of them is opened.
func (e *Engine) checkSecrets(secrets credential) error {
	var errs []error
	for _, l := range e.cfg.Listeners {
		errs = append(errs, stream.Check(l, secrets))
	}
	return errors.Join(errs...)
}

// ReloadCertificates reads the certificates, keys and client CAs of all listeners again.
// When every one of them is right, all change at once: handshakes from then on use the new
// ones, connections and calls go on. When anything is wrong nothing changes, and the error
// names each listener and secret with the remedy. Bind comes first.
func (e *Engine) ReloadCertificates() error {
	e.reloading.Lock() // two at a time could leave listeners with what different ones read
	defer e.reloading.Unlock()
	secrets := credentials(e.cfg.Secrets)
	var swaps []func()
	var errs []error
	for _, g := range e.groups {
		if c, ok := g.(connections); ok {
			swap, err := c.Prepare(secrets)
			errs, swaps = append(errs, err), append(swaps, swap)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, swap := range swaps {
		swap()
	}
	return nil
}
