package uki

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// sealed is an image of test parts with its digest.
func sealed(t *testing.T) (raw []byte, digest string) {
	t.Helper()
	p := testParts()
	p.Cmdline += " " + DigestPlaceholder() + " last=1"
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	digest, err := Seal(b.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), digest
}

func digestOf(t *testing.T, raw []byte) (named, computed string) {
	t.Helper()
	p, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p.Digest()
}

func TestSeal(t *testing.T) {
	raw, digest := sealed(t)
	if again, other := sealed(t); other != digest || !bytes.Equal(raw, again) {
		t.Error("two images of the same parts differ")
	}
	p, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(p.Content(".cmdline")); !strings.Contains(got, " "+DigestParameter+"="+digest+" last=1") {
		t.Errorf("command line %q, digest %s", got, digest)
	}
	if named, computed := p.Digest(); named != digest || computed != digest {
		t.Errorf("%s, %s, want %s twice", named, computed, digest)
	}
	if got, want := string(WithoutDigest(p.Content(".cmdline"))), testParts().Cmdline+" "+DigestPlaceholder()+" last=1"; got != want {
		t.Errorf("without its digest the command line is %q, want %q", got, want)
	}
	// By hand: the whole file without checksum and certificate entry, zeros for the
	// digits.
	img, err := parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	plain := bytes.Replace(raw, []byte(digest), []byte("sha256:"+strings.Repeat("0", 64)), 1)
	checksum, entry := img.optional+64, img.optional+112+4*8
	sum := sha256.Sum256(bytes.Join([][]byte{plain[:checksum], plain[checksum+4 : entry], plain[entry+8:]}, nil))
	if got := "sha256:" + hex.EncodeToString(sum[:]); got != digest {
		t.Errorf("by hand %s, Seal gave %s", got, digest)
	}
	// The checksum is that of the file as it is now: words summed one by one.
	var words uint32
	for i := 0; i < len(raw); i += 2 {
		if i != checksum && i != checksum+2 {
			words += uint32(raw[i]) | uint32(raw[i+1])<<8
			words = words>>16 + words&0xffff
		}
	}
	if got, want := le.Uint32(raw[checksum:]), words+uint32(len(raw)); got != want {
		t.Errorf("checksum %#x, want %#x", got, want)
	}
}

// Signing leaves the digest alone, and any other change does not.
func TestDigestAfterChanges(t *testing.T) {
	raw, digest := sealed(t)
	img, err := parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	signed := append(bytes.Clone(raw), bytes.Repeat([]byte{7}, 1480)...)
	le.PutUint32(signed[img.optional+optionalFixed+dirSecurity*8:], uint32(len(raw)))
	le.PutUint32(signed[img.optional+optionalFixed+dirSecurity*8+4:], 1480)
	le.PutUint32(signed[img.optional+optChecksum:], 12345)
	if named, computed := digestOf(t, signed); named != digest || computed != digest {
		t.Errorf("signed: %s, %s, want %s twice", named, computed, digest)
	}
	for name, at := range map[string]int{
		"entry point": img.optional + 16, "section header": img.table + 8, "stub": int(img.sections[0].rawOffset),
		"command line": int(img.section(".cmdline").rawOffset), "initrd": int(img.section(".initrd").rawOffset), "last byte": len(raw) - 1,
	} {
		changed := bytes.Clone(raw)
		changed[at] ^= 1
		if named, computed := digestOf(t, changed); named != digest || computed == digest {
			t.Errorf("%s changed: %s, %s", name, named, computed)
		}
	}
}

// Signatures of PCR values are filled in after the digest, which they follow from, and
// leave it alone; nothing else of the image may change with them.
func TestDigestAndPCRSignature(t *testing.T) {
	p := testParts()
	p.Cmdline += " " + DigestPlaceholder()
	p.PCRKey, p.PCRSignature = []byte("a public key"), 700
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	digest, err := Seal(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	signature := bytes.Repeat([]byte("s"), 700)
	if err := SetPCRSignature(raw, signature); err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := parsed.Content(".pcrsig"); !bytes.Equal(got, signature) || string(parsed.Content(".pcrpkey")) != "a public key" {
		t.Errorf(".pcrsig is %q", got)
	}
	if named, computed := parsed.Digest(); named != digest || computed != digest {
		t.Errorf("%s, %s, want %s twice", named, computed, digest)
	}
	img, err := parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]int{"the key": int(img.section(".pcrpkey").rawOffset), "behind the signature": int(img.section(".pcrsig").rawOffset) + 700} {
		changed := bytes.Clone(raw)
		changed[at] ^= 1
		if named, computed := digestOf(t, changed); named != digest || computed == digest {
			t.Errorf("%s changed: %s, %s", name, named, computed)
		}
	}
	// A section that says it lies over the digits hides no change.
	le.PutUint32(raw[img.table+slices.IndexFunc(img.sections, func(h header) bool { return h.name == ".pcrsig" })*sectionHdrSize+20:],
		img.section(".cmdline").rawOffset)
	if named, computed := digestOf(t, raw); named != digest || computed != "damaged" {
		t.Errorf("sections that overlap: %s, %s", named, computed)
	}
	for name, c := range map[string]struct {
		signature []byte
		raw       []byte
	}{"too long": {bytes.Repeat([]byte("s"), 701), b.Bytes()}, "no room": {signature, testStub()}} {
		if err := SetPCRSignature(bytes.Clone(c.raw), c.signature); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	p := testParts()
	var plain bytes.Buffer
	if err := Write(&plain, p); err != nil {
		t.Fatal(err)
	}
	done, _ := sealed(t)
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"no placeholder": {plain.Bytes(), "no trunkline.image in the command line"},
		"sealed before":  {done, "has its digest already"},
		"no image":       {[]byte("MZ"), "not a PE image"},
		"no UKI":         {testStub(), "no command line"},
	} {
		if _, err := Seal(bytes.Clone(c.raw), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want one with %q", name, err, c.want)
		}
	}
	if named, computed := digestOf(t, plain.Bytes()); named != "" || computed != "" {
		t.Errorf("an image that names no digest: %q, %q", named, computed)
	}
}
