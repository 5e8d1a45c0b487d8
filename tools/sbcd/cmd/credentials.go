package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// encryptedStore is where init puts the credentials it found on the ESP and where systemd
// looks for encrypted ones (systemd.exec(5), ImportCredential=).
const encryptedStore = "/run/credstore.encrypted"

// openTimeout is for one credential: a TPM takes its time.
const openTimeout = time.Minute

func (p *program) credentialsCommand() *cobra.Command {
	store := encryptedStore
	c := &cobra.Command{
		Use:   "credentials",
		Short: "Put away credentials from the ESP that cannot be opened, and say why",
		Long: `Put away credentials from the EFI system partition that cannot be opened, and say why.
systemd starts no service to which it would have to hand such a credential, and says why in
its journal alone. Without the credential sbcd starts and names the secret that it misses.
It needs root.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			entries, err := os.ReadDir(store)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return refuse(err)
			}
			for _, e := range entries {
				cause := openCredential(c.Context(), store, e.Name())
				if cause == nil {
					continue
				}
				if c.Context().Err() != nil {
					return refuse(c.Context().Err())
				}
				if _, err := fmt.Fprintf(p.Stdout, "trunkline: credential %s on the EFI system partition cannot be opened: %s; "+
					"write it again with systemd-creds encrypt --with-key=tpm2-absent --name=%s, or sealed with this machine's TPM (--with-key=tpm2-with-public-key "+
					"--tpm2-public-key=pcr.pub of the image's key, --tpm2-public-key-pcrs=11, --tpm2-pcrs=), and name the file %s.cred\n", e.Name(), cause, e.Name(), e.Name()); err != nil {
					return err
				}
				if err := os.Remove(filepath.Join(store, e.Name())); err != nil {
					return refuse(err)
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&store, "store", encryptedStore, "`DIRECTORY` of encrypted credentials")
	return c
}

// openCredential tries to open a credential as systemd will, and drops what is in it. Its
// error is what systemd has to say.
func openCredential(ctx context.Context, store, name string) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemd-creds", "decrypt", "--name="+name, filepath.Join(store, name), "-")
	var says strings.Builder
	cmd.Stderr = &says // no Stdout: what is in it goes to /dev/null
	err := cmd.Run()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(says.String()), "\n") // the reason comes last, after warnings
	if reason := strings.TrimSuffix(lines[len(lines)-1], "."); reason != "" {
		return errors.New(reason)
	}
	return err
}
