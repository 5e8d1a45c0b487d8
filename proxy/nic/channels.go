package nic

import (
	"errors"
	"fmt"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// Kernel is the Channels of the running kernel (ethtool ioctls; CAP_NET_ADMIN).
// Close it.
type Kernel struct{ e *ethtool.Ethtool }

// NewKernel opens the socket the ioctls go through.
func NewKernel() (*Kernel, error) {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return nil, fmt.Errorf("ethtool: %w", err)
	}
	return &Kernel{e}, nil
}

// Close closes the socket.
func (k *Kernel) Close() { k.e.Close() }

// Combined implements Channels.
func (k *Kernel) Combined(nic string) (now, most int, err error) {
	c, err := k.e.GetChannels(nic)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return 0, 0, nil // a driver of one queue
	case err != nil:
		return 0, 0, err
	}
	return int(c.CombinedCount), int(c.MaxCombined), nil
}

// SetCombined implements Channels.
func (k *Kernel) SetCombined(nic string, n int) error {
	c, err := k.e.GetChannels(nic)
	if err != nil {
		return err
	}
	c.CombinedCount = uint32(n)
	_, err = k.e.SetChannels(nic, c)
	return err
}
