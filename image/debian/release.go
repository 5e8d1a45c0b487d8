package debian

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// The keys Debian 13 is signed with: the automatic key, and the release team's.
//
//go:embed keyring/debian-archive-trixie.gpg
var trixieKeys []byte

// Keyring returns the embedded keys of Debian's archive.
func Keyring() (openpgp.EntityList, error) {
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(trixieKeys))
	if err != nil {
		return nil, fmt.Errorf("embedded keyring: %w", err)
	}
	return keys, nil
}

// release is what a verified InRelease file says.
type release struct {
	codename string
	suite    string
	byHash   bool
	files    map[string]indexFile // by path below dists/SUITE
}

type indexFile struct {
	sha256 string
	size   int64
}

// verifyRelease checks the signature of an InRelease file and reads what it
// signs. Nothing outside the signed text is looked at.
func verifyRelease(b []byte, keys openpgp.EntityList, suite string, now time.Time) (*release, error) {
	block, rest := clearsign.Decode(b)
	if block == nil {
		return nil, errors.New("InRelease is not a signed file: is this the address of a Debian archive?")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("InRelease has text after its signature")
	}
	if _, err := block.VerifySignature(keys, &packet.Config{Time: func() time.Time { return now }}); err != nil {
		return nil, fmt.Errorf("InRelease is not signed by a key of Debian's archive, or not validly (%w): do not use this mirror; if the clock of this machine is wrong, set it", err)
	}
	st, err := NewStanzaReader(bytes.NewReader(block.Plaintext)).Next()
	if err != nil {
		return nil, fmt.Errorf("InRelease: %w", err)
	}
	r := &release{codename: st.Get("Codename"), suite: st.Get("Suite"), byHash: st.Get("Acquire-By-Hash") == "yes", files: map[string]indexFile{}}
	if r.codename != suite {
		return nil, fmt.Errorf("InRelease of %q was served for %q: the mirror is mixed up", r.codename, suite)
	}
	if v := st.Get("Valid-Until"); v != "" {
		until, err := time.Parse("Mon, 2 Jan 2006 15:04:05 MST", v)
		if err != nil {
			return nil, fmt.Errorf("InRelease: Valid-Until: %w", err)
		}
		if now.After(until) {
			return nil, fmt.Errorf("InRelease was valid until %s only: the mirror is stale", v)
		}
	}
	for _, line := range strings.Split(st.Get("SHA256"), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 || !validSHA256(f[0]) {
			return nil, fmt.Errorf("InRelease: SHA256 line %.100q", line)
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 {
			return nil, fmt.Errorf("InRelease: SHA256 line %.100q: size", line)
		}
		r.files[f[2]] = indexFile{f[0], size}
	}
	return r, nil
}
