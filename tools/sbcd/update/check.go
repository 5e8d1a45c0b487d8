package update

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"trunkline/image/release"
)

// inspect looks at a whole image on the disk: it must be what the index says, by the bytes
// and by what it says of itself, and the signer's.
func inspect(path string, x release.Index, signer *x509.Certificate) (err error) {
	raw, done, err := mapped(path, x.Size)
	if err != nil {
		return err
	}
	// A disk that cannot read back what was written to it is a fault of the memory access.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if e := recover(); e != nil {
			fault, ok := e.(error)
			if !ok {
				panic(e)
			}
			err = &Error{Disk, fmt.Errorf("%s cannot be read back: %w", path, fault), "replace the disk"}
		}
		err = errors.Join(err, done())
	}()
	digest := sha256.Sum256(raw)
	if got := hex.EncodeToString(digest[:]); got != x.SHA256 {
		return &Error{BadImage, fmt.Errorf("%s has the SHA-256 %s, the index says %s", x.File, got, x.SHA256), "publish it again; if it goes on, something between changes files"}
	}
	img, err := release.Read(raw)
	if err != nil {
		return &Error{BadImage, fmt.Errorf("%s: %w", x.File, err), "build it again and publish it"}
	}
	if err := img.SignedBy(signer); err != nil {
		return wrongSigner(x.File, err, signer)
	}
	if img.Name != x.Name || img.Version != x.Version || img.Digest != x.Image {
		return &Error{BadImage, fmt.Errorf("%s is %s in version %s (%s), the index says %s in version %s (%s)", x.File, img.Name, img.Version, img.Digest, x.Name, x.Version, x.Image), "publish it again with `trunkline publish`, and see that nobody else writes to the directory"}
	}
	return nil
}

// mapped maps a file of this size, as the disk has it: an image does not have to fit into
// memory beside the calls.
func mapped(path string, size int64) (raw []byte, done func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	if st, err := f.Stat(); err != nil || st.Size() != size {
		return nil, nil, errors.Join(fmt.Errorf("%s has not the %d bytes that were written", path, size), err)
	}
	// What was written is on the disk by now; what is read shall come from there.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // advice: a file system may not take it
	raw, err = unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be read back: %w", path, err)
	}
	return raw, func() error { return unix.Munmap(raw) }, nil
}
