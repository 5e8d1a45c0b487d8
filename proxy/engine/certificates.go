package engine

import (
	"errors"

	"trunkline/proxy/credential"
	"trunkline/proxy/stream"
)

// checkSecrets reads what all listeners show and accept, before any of them is opened.
func (e *Engine) checkSecrets(secrets credential.Reader) error {
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
	secrets := credential.New(e.cfg.Secrets)
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
