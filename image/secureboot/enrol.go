package secureboot

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// updateHeader is an EFI_TIME and the length of the WIN_CERTIFICATE behind it.
const updateHeader = 16 + 4

// LoadEnrolment reads PK.auth, KEK.auth and db.auth of a directory: what a boot loader
// enrols in a machine that has no keys yet. Each must be an update with a signature list,
// and db must hold the certificate that signs images: a machine with these keys would
// refuse its own image otherwise.
func LoadEnrolment(dir string, signs *x509.Certificate) ([]File, error) {
	var out []File
	for _, v := range []Variable{PK, KEK, DB} {
		name := filepath.Join(dir, v.Name+".auth")
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("enrolment: %w: give a directory with PK.auth, KEK.auth and db.auth, as `trunkline keys` makes it", err)
		}
		certs, err := certificates(b)
		if err != nil {
			return nil, fmt.Errorf("enrolment: %s: %w", name, err)
		}
		if v == DB && !holds(certs, signs) {
			return nil, fmt.Errorf("enrolment: %s holds no certificate of sha256:%s (%s), which signs the image: the machine would refuse it. Sign with the key of this set, db.key",
				name, fingerprint(signs), signs.Subject)
		}
		out = append(out, File{v.Name + ".auth", b})
	}
	return out, nil
}

func holds(certs [][]byte, c *x509.Certificate) bool {
	for _, der := range certs {
		if bytes.Equal(der, c.Raw) {
			return true
		}
	}
	return false
}

// certificates lists the certificates (DER) that an update enrols.
func certificates(update []byte) ([][]byte, error) {
	if len(update) < updateHeader {
		return nil, errors.New("it is no signed update of a variable: too short")
	}
	length := uint64(le.Uint32(update[16:]))
	if length < winCertificateHeader+guidSize || 16+length > uint64(len(update)) ||
		le.Uint16(update[updateHeader:]) != winCertificateRevision || le.Uint16(update[updateHeader+2:]) != winCertificateEFIGUID {
		return nil, errors.New("it is no signed update of a variable (EFI_VARIABLE_AUTHENTICATION_2)")
	}
	list := update[16+length:]
	if len(list) == 0 {
		return nil, errors.New("it holds no key: it would take away what the machine has")
	}
	const header = guidSize + 3*4
	var out [][]byte
	for len(list) > 0 {
		if len(list) < header {
			return nil, errors.New("its signature list is damaged")
		}
		size, skip, entry := uint64(le.Uint32(list[16:])), uint64(le.Uint32(list[20:])), uint64(le.Uint32(list[24:]))
		if size > uint64(len(list)) || header+skip > size || entry < guidSize || (size-header-skip)%entry != 0 {
			return nil, errors.New("its signature list is damaged")
		}
		if bytes.Equal(list[:guidSize], appendGUID(nil, typeX509)) {
			for e := list[header+skip : size]; len(e) > 0; e = e[entry:] {
				out = append(out, e[guidSize:entry])
			}
		}
		list = list[size:]
	}
	return out, nil
}
