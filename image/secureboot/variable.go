package secureboot

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"
)

// Variable is one of the variables of the firmware that decide what it starts.
type Variable struct {
	Name   string
	vendor uuid.UUID
}

// The variables of Secure Boot (UEFI 2.10, 3.3 and 32.4): PK owns the machine and
// signs changes of KEK, KEK signs changes of db, db signs what is started.
var (
	PK  = Variable{"PK", uuid.MustParse("8be4df61-93ca-11d2-aa0d-00e098032b8c")}
	KEK = Variable{"KEK", uuid.MustParse("8be4df61-93ca-11d2-aa0d-00e098032b8c")}
	DB  = Variable{"db", uuid.MustParse("d719b2cb-3d3a-4596-a3bc-dad00e67656f")}
)

// Types of the specification (32.2.4, 32.4.1).
var (
	typeX509  = uuid.MustParse("a5c059a1-94e4-4aa7-87b5-ab155c2bf072") // EFI_CERT_X509_GUID
	typePKCS7 = uuid.MustParse("4aafd29d-68df-49ee-8aa9-347d375665a7") // EFI_CERT_TYPE_PKCS7_GUID
)

// attributes of these variables: non-volatile, seen by boot and runtime services,
// written with a signature and its time (8.2).
const variableAttributes = 0x01 | 0x02 | 0x04 | 0x20

const guidSize = 16

// appendGUID writes a GUID as firmware has it: the first three fields little-endian
// (UEFI 2.10, appendix A).
func appendGUID(b []byte, id uuid.UUID) []byte {
	return append(b, id[3], id[2], id[1], id[0], id[5], id[4], id[7], id[6],
		id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15])
}

// SignatureList is an EFI_SIGNATURE_LIST of one certificate (32.4.1). owner says who
// enrolled it.
func SignatureList(c *x509.Certificate, owner uuid.UUID) []byte {
	const header = guidSize + 3*4
	entry := guidSize + len(c.Raw)
	b := appendGUID(nil, typeX509)
	b = le.AppendUint32(b, uint32(header+entry))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(entry))
	b = appendGUID(b, owner)
	return append(b, c.Raw...)
}

// Update is a write of v with this value that firmware takes when s is trusted to sign
// it: an EFI_VARIABLE_AUTHENTICATION_2 with the value behind it (8.2.2), which other
// tools call an .auth file. Firmware takes no update that is not later than the last.
func (s *Signer) Update(v Variable, value []byte, at time.Time) ([]byte, error) {
	stamp := efiTime(at)
	var signed []byte
	for _, c := range utf16.Encode([]rune(v.Name)) {
		signed = le.AppendUint16(signed, c)
	}
	signed = appendGUID(signed, v.vendor)
	signed = le.AppendUint32(signed, variableAttributes)
	signed = append(signed, stamp...)
	signed = append(signed, value...)
	// The bare SignedData, without a ContentInfo around it, is what the specification asks for.
	message, err := s.signedData(signedContent{contentType: oidData, digest: sha256.Sum256(signed)})
	if err != nil {
		return nil, fmt.Errorf("update of %s: %w", v.Name, err)
	}
	b := append([]byte(nil), stamp...)
	b = le.AppendUint32(b, uint32(winCertificateHeader+guidSize+len(message)))
	b = le.AppendUint16(b, winCertificateRevision)
	b = le.AppendUint16(b, winCertificateEFIGUID)
	b = appendGUID(b, typePKCS7)
	b = append(b, message...)
	return append(b, value...), nil
}

// efiTime is an EFI_TIME in UTC with whole seconds, as an update wants it (8.2.2).
func efiTime(at time.Time) []byte {
	at = at.UTC()
	b := binary.LittleEndian.AppendUint16(nil, uint16(at.Year()))
	b = append(b, byte(at.Month()), byte(at.Day()), byte(at.Hour()), byte(at.Minute()), byte(at.Second()), 0)
	return append(b, make([]byte, 8)...)
}
