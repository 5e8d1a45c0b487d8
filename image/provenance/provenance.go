// Package provenance states where an image comes from: an in-toto statement
// (version 1) with a SLSA provenance predicate (version 1), unsigned, as JSON.
//
// What is promised: every output of the build is a subject, and everything that
// shaped it a dependency, each with its SHA-256. Nothing of the machine that built is
// in it, no time, path, user or host, so the same inputs give the same bytes, and
// whoever builds again can compare.
//
// The types are those of in-toto/attestation, which also checks the result.
package provenance

import (
	"bytes"
	"encoding/json"
	"fmt"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// Kinds of build and builder. They are names, not addresses.
const (
	BuildType     = "urn:trunkline:build:image:1"
	Builder       = "urn:trunkline:builder"
	predicateType = "https://slsa.dev/provenance/v1"
)

// Artifact is something with a digest: an output, or what one was made of.
type Artifact struct {
	Name   string
	URI    string // package URL of a package, empty otherwise
	SHA256 string // lower-case hexadecimal
}

// Build is one build.
type Build struct {
	Appliance string
	Version   string // of the image
	Profile   string
	Cmdline   string // kernel command line beyond the usual one
	Trunkline string // version
	Image     string // digest of the image, "sha256:<hex>"
	Base      string // digest of the base layer, likewise

	Subjects  []Artifact // outputs
	Materials []Artifact // inputs
}

// Statement renders the statement: indented JSON ending in a newline.
func Statement(b Build) ([]byte, error) {
	out, err := b.statement()
	if err != nil {
		return nil, fmt.Errorf("provenance: %w", err)
	}
	return out, nil
}

func (b Build) statement() ([]byte, error) {
	external, err := structpb.NewStruct(map[string]any{"appliance": b.Appliance, "imageVersion": b.Version, "profile": b.Profile, "kernelParameters": b.Cmdline})
	if err != nil {
		return nil, err
	}
	internal, err := structpb.NewStruct(map[string]any{"imageDigest": b.Image, "baseLayer": b.Base})
	if err != nil {
		return nil, err
	}
	predicate := &slsa.Provenance{
		BuildDefinition: &slsa.BuildDefinition{
			BuildType: BuildType, ExternalParameters: external, InternalParameters: internal,
			ResolvedDependencies: descriptors(b.Materials),
		},
		RunDetails: &slsa.RunDetails{Builder: &slsa.Builder{Id: Builder, Version: map[string]string{"trunkline": b.Trunkline}}},
	}
	if err := predicate.Validate(); err != nil {
		return nil, err
	}
	fields, err := asStruct(predicate)
	if err != nil {
		return nil, err
	}
	s := &intoto.Statement{
		Type: intoto.StatementTypeUri, Subject: descriptors(b.Subjects), PredicateType: predicateType, Predicate: fields,
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	text, err := protojson.Marshal(s)
	if err != nil {
		return nil, err
	}
	// protojson varies its blanks on purpose; laid out anew they are always the same.
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", " "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// asStruct turns a predicate into the form a statement holds it in.
func asStruct(m proto.Message) (*structpb.Struct, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	out := &structpb.Struct{}
	return out, protojson.Unmarshal(text, out)
}

func descriptors(list []Artifact) []*intoto.ResourceDescriptor {
	out := make([]*intoto.ResourceDescriptor, len(list))
	for i, a := range list {
		out[i] = &intoto.ResourceDescriptor{Name: a.Name, Uri: a.URI, Digest: map[string]string{"sha256": a.SHA256}}
	}
	return out
}
