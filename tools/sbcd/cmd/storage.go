package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/tools/sbcd/slots"
	"trunkline/tools/sbcd/storage"
)

func (p *program) storageCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "storage",
		Short: "Make, grow and mount the state partition",
		Long: `Make the state partition behind the EFI system partition where there is none and the disk has
room, grow it where the disk has become larger, check it and mount it at
` + storage.Directory + `. What is there outlives restarts and updates. Without room the
appliance runs without it, and one line says so. It needs root.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			boot, err := slots.Device(c.Context())
			if err != nil {
				return refuse(err)
			}
			state, err := storage.Open(c.Context(), boot)
			var none *storage.NoRoom
			if errors.As(err, &none) {
				_, err = fmt.Fprintf(p.Stdout, "trunkline: %v\n", none)
				return err
			}
			if err != nil {
				return refuse(err)
			}
			if state.Mended != "" {
				fmt.Fprintf(p.Stdout, "trunkline: the state partition was mended: %s\n", state.Mended)
			}
			_, err = fmt.Fprintf(p.Stdout, "trunkline: state partition of %d MiB at %s\n", state.Size>>20, storage.Directory)
			return err
		},
	}
}
