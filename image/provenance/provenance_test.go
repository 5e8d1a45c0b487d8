package provenance

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func testBuild() Build {
	return Build{
		Appliance: "edge-fra1", Profile: "vm", Trunkline: "v1.2", Image: "sha256:" + strings.Repeat("a", 64), Base: "sha256:" + strings.Repeat("b", 64),
		Subjects: []Artifact{{Name: "edge-fra1.efi", SHA256: strings.Repeat("1", 64)}, {Name: "edge-fra1.raw", SHA256: strings.Repeat("2", 64)}},
		Materials: []Artifact{
			{Name: "edge.hcl", SHA256: strings.Repeat("3", 64)}, {Name: "trunkline.lock.json", SHA256: strings.Repeat("4", 64)},
			{Name: "netbase", URI: "pkg:deb/debian/netbase@1:6.5?arch=all&distro=trixie", SHA256: strings.Repeat("5", 64)},
		},
	}
}

func TestStatement(t *testing.T) {
	got, err := Statement(testBuild())
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/edge-fra1.provenance.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("(-want +got); if that is meant, run go test ./image/provenance -update\n%s", d)
	}
	var s intoto.Statement
	if err := protojson.Unmarshal(got, &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	for range 20 { // protojson's blanks are random
		if again, err := Statement(testBuild()); err != nil || !bytes.Equal(got, again) {
			t.Fatalf("two statements of one build differ (%v)", err)
		}
	}
	if !json.Valid(got) || !bytes.HasSuffix(got, []byte("}\n")) {
		t.Error("not a line of JSON at the end")
	}
}

func TestStatementRefuses(t *testing.T) {
	for name, wrong := range map[string]func(*Build){
		"no subject":        func(b *Build) { b.Subjects = nil },
		"subject unhashed":  func(b *Build) { b.Subjects[0].SHA256 = "" },
		"not a digest":      func(b *Build) { b.Subjects[0].SHA256 = "12" },
		"material unhashed": func(b *Build) { b.Materials[0].SHA256 = "x" },
	} {
		b := testBuild()
		wrong(&b)
		if _, err := Statement(b); err == nil || !strings.Contains(err.Error(), "provenance: ") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
