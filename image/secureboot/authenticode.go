package secureboot

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/pe"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of the Authenticode specification.
var (
	oidIndirectData = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 4}  // SPC_INDIRECT_DATA_OBJID
	oidPEImageData  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 15} // SPC_PE_IMAGE_DATAOBJ
)

// Places in a PE32+ file, from the start of the optional header (PE/COFF specification).
const (
	optionalChecksum = 64
	optionalSecurity = 112 + 4*8 // data directory 4, the attribute certificate table
)

// WIN_CERTIFICATE (UEFI 2.10, 32.2.4).
const (
	winCertificateHeader   = 8
	winCertificateRevision = 0x0200
	winCertificatePKCS     = 0x0002
	winCertificateEFIGUID  = 0x0ef1
	// tableAlign is the boundary the certificate table begins on and its entries end on.
	tableAlign = 8
)

var le = binary.LittleEndian

// Sign returns image with a signature behind it. An image that has one already is
// refused: firmware accepts it when any of its signatures is trusted, and nobody would
// see the old one.
func (s *Signer) Sign(image []byte) ([]byte, error) {
	optional, err := signable(image)
	if err != nil {
		return nil, fmt.Errorf("secure boot: %w", err)
	}
	out := make([]byte, len(image)+padding(len(image), tableAlign), len(image)+tableAlign+8<<10)
	copy(out, image)
	table := len(out)

	signature, err := s.authenticode(authentihash(out, optional, table))
	if err != nil {
		return nil, fmt.Errorf("secure boot: %w", err)
	}
	length := winCertificateHeader + len(signature)
	length += padding(length, tableAlign)
	if uint64(table)+uint64(length) > math.MaxUint32 {
		return nil, errors.New("secure boot: the image would pass 4 GiB")
	}
	out = le.AppendUint32(out, uint32(length))
	out = le.AppendUint16(out, winCertificateRevision)
	out = le.AppendUint16(out, winCertificatePKCS)
	out = append(out, signature...)
	out = append(out, make([]byte, table+length-len(out))...)

	le.PutUint32(out[optional+optionalSecurity:], uint32(table))
	le.PutUint32(out[optional+optionalSecurity+4:], uint32(length))
	le.PutUint32(out[optional+optionalChecksum:], 0)
	le.PutUint32(out[optional+optionalChecksum:], checksum(out))
	return out, nil
}

// signable checks that an image can be signed as it is, and returns where its optional
// header begins. Bytes between or behind sections are refused: verifiers differ in
// whether they count them.
func signable(image []byte) (optional int, err error) {
	optional, table, err := certificateTable(image)
	if err != nil {
		return 0, err
	}
	if len(table) > 0 {
		return 0, errors.New("the image carries a signature already; give the unsigned one")
	}
	f, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, fmt.Errorf("not a PE image: %w", err)
	}
	sections := slices.DeleteFunc(slices.Clone(f.Sections), func(s *pe.Section) bool { return s.Size == 0 })
	slices.SortFunc(sections, func(a, b *pe.Section) int { return cmp.Compare(a.Offset, b.Offset) })
	end := uint64(f.OptionalHeader.(*pe.OptionalHeader64).SizeOfHeaders)
	for _, s := range sections {
		if uint64(s.Offset) != end {
			return 0, fmt.Errorf("section %s begins at byte %d of the file, not where the one before it ends (%d)", s.Name, s.Offset, end)
		}
		end += uint64(s.Size)
	}
	if end != uint64(len(image)) {
		return 0, fmt.Errorf("the sections end at byte %d, the file at %d", end, len(image))
	}
	return optional, nil
}

// certificateTable returns where the optional header of a PE32+ image begins, and its
// certificate table, with which the file must end; empty: there is none.
func certificateTable(image []byte) (optional int, table []byte, err error) {
	f, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, nil, fmt.Errorf("not a PE image: %w", err)
	}
	h, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok {
		return 0, nil, errors.New("not a PE32+ image: firmware of 64 bits starts those alone")
	}
	if h.NumberOfRvaAndSizes <= 4 {
		return 0, nil, fmt.Errorf("the image has room for %d data directories, a signature needs the fifth", h.NumberOfRvaAndSizes)
	}
	optional = int(le.Uint32(image[60:])) + 4 + binary.Size(pe.FileHeader{})
	d := h.DataDirectory[4]
	if d.VirtualAddress == 0 && d.Size == 0 {
		return optional, nil, nil
	}
	begin, end := uint64(d.VirtualAddress), uint64(d.VirtualAddress)+uint64(d.Size)
	if d.Size == 0 || end != uint64(len(image)) || begin < uint64(optional+optionalSecurity+8) {
		return 0, nil, fmt.Errorf("the certificate table is at bytes %d to %d of a file of %d: it must be its end", begin, end, len(image))
	}
	return optional, image[begin:], nil
}

// authentihash is the digest of an image of which nothing is left out but what signing
// changes: the checksum, the entry of the certificate table and the table itself, which
// begins at table.
func authentihash(image []byte, optional, table int) [sha256.Size]byte {
	h := sha256.New()
	h.Write(image[:optional+optionalChecksum])
	h.Write(image[optional+optionalChecksum+4 : optional+optionalSecurity])
	h.Write(image[optional+optionalSecurity+8 : table])
	return [sha256.Size]byte(h.Sum(nil))
}

// obsolete is what the specification has in place of a file name.
const obsolete = "<<<Obsolete>>>"

// authenticode is the PKCS #7 message over an image's digest.
func (s *Signer) authenticode(digest [sha256.Size]byte) ([]byte, error) {
	var name []byte
	for _, c := range utf16.Encode([]rune(obsolete)) {
		name = binary.BigEndian.AppendUint16(name, c) // a BMPString
	}
	const choice0, choice2 cbasn1.Tag = 0x80, 0xa2
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SpcAttributeTypeAndOptionalValue
		b.AddASN1ObjectIdentifier(oidPEImageData)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SpcPeImageData
			b.AddASN1(cbasn1.BIT_STRING, func(b *cryptobyte.Builder) { b.AddUint8(0) }) // no flags
			b.AddASN1(explicit0, func(b *cryptobyte.Builder) {
				b.AddASN1(choice2, func(b *cryptobyte.Builder) { // SpcLink: file
					b.AddASN1(choice0, func(b *cryptobyte.Builder) { b.AddBytes(name) }) // SpcString: unicode
				})
			})
		})
	})
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // DigestInfo
		addAlgorithm(b, oidSHA256)
		b.AddASN1OctetString(digest[:])
	})
	inner, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	var outer cryptobyte.Builder
	outer.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(inner) })
	content, err := outer.Bytes()
	if err != nil {
		return nil, err
	}
	// The digest is of the content's value, without tag and length (RFC 2315, 9.3).
	message, err := s.signedData(signedContent{
		contentType: oidIndirectData, content: content, digest: sha256.Sum256(inner), attributes: true,
	})
	if err != nil {
		return nil, err
	}
	return contentInfo(message)
}

// checksum is the PE image checksum of a file whose own field is zero: the ones'
// complement sum of its 16-bit words plus its length.
func checksum(b []byte) uint32 {
	length := uint32(len(b))
	var sum uint64
	for ; len(b) >= 4; b = b[4:] { // two words at a time: carries fold back in the end
		sum += uint64(le.Uint32(b))
	}
	for i, c := range b {
		sum += uint64(c) << (8 * i)
	}
	for sum > math.MaxUint16 {
		sum = sum>>16 + sum&math.MaxUint16
	}
	return uint32(sum) + length
}

// padding is the number of bytes from n to the next multiple of align.
func padding(n, align int) int { return (align - n%align) % align }
