package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// received are where the stub of the UKI puts the credentials it found on the ESP
// (systemd-stub(7)): beside the image, then those of all images.
var received = []string{"/.extra/credentials", "/.extra/global_credentials"}

// credentialStore is where systemd looks for encrypted credentials (systemd.exec(5),
// ImportCredential=). What lies on the ESP counts as encrypted, for anybody may have put
// it there: systemd takes only what it can decrypt.
const credentialStore = sysroot + "/run/credstore.encrypted"

const credentialSuffix = ".cred"

// credentialName is what a spec may call a credential: nothing asks for another.
var credentialName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,255}$`)

// passCredentials carries the credentials of the ESP over to the running system, which
// the initrd does not reach. That of the image comes before one of all images.
func passCredentials() error { return moveCredentials(credentialStore, received) }

// moveCredentials moves the credentials in dirs, which need not exist, to a directory of
// their own, for root alone. Of two with one name the first is taken.
func moveCredentials(store string, dirs []string) error {
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), credentialSuffix)
			if !ok || !credentialName.MatchString(name) || !e.Type().IsRegular() {
				continue
			}
			if err := moveCredential(filepath.Join(dir, e.Name()), filepath.Join(store, name)); err != nil {
				return fmt.Errorf("credential %s: %w", name, err)
			}
		}
	}
	return nil
}

func moveCredential(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.Remove(from); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
