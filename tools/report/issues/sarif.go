package issues

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"strconv"

	"trunkline/appliance/sizing"
)

// The shape is OASIS SARIF 2.1.0; section numbers below are that standard's.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool       sarifTool     `json:"tool"`
	Automation sarifID       `json:"automationDetails"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"`
}

type sarifID struct {
	ID string `json:"id"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID    string       `json:"id"`
	Short sarifMessage `json:"shortDescription"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifMessage      `json:"message"`
	Locations    []sarifLocation   `json:"locations,omitempty"`
	Fingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI  string `json:"uri"`
	Base string `json:"uriBaseId,omitempty"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn,omitempty"`
	EndLine     int `json:"endLine,omitempty"`
	EndColumn   int `json:"endColumn,omitempty"`
}

// SARIF writes issues as one SARIF 2.1.0 log with one run, named for the
// appliance (or the spec directory) so that runs over several appliances do not
// replace one another. version is Trunkline's.
func SARIF(w io.Writer, name, version string, list []Issue) error {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "Trunkline", Version: version, Rules: []sarifRule{}}},
		Automation: sarifID{"trunkline/" + name + "/"}, // 3.17.3: the part before the last slash is the category
		ColumnKind: "unicodeCodePoints",
		Results:    []sarifResult{},
	}
	rules, same := map[string]int{}, map[string]int{}
	for _, i := range list {
		index, ok := rules[i.ID]
		if !ok {
			index = len(run.Tool.Driver.Rules)
			rules[i.ID] = index
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{i.ID, sarifMessage{i.Summary}})
		}
		r := sarifResult{RuleID: i.ID, RuleIndex: index, Level: i.Severity, Message: sarifMessage{i.Summary + ". " + i.Detail}}
		if i.Detail == "" {
			r.Message.Text = i.Summary
		}
		if i.Severity != sizing.SeverityError && i.Severity != sizing.SeverityWarning {
			r.Level = "note"
		}
		if i.File != "" {
			r.Locations = []sarifLocation{{sarifPhysical{artifact(i.File), region(i)}}}
		}
		// 3.27.17: what stays when lines move. The line is left out, the order
		// among equals is not.
		key := name + "\x00" + i.ID + "\x00" + i.File
		same[key]++
		sum := sha256.Sum256([]byte(key + "\x00" + strconv.Itoa(same[key])))
		r.Fingerprints = map[string]string{"trunkline/v1": hex.EncodeToString(sum[:16])}
		run.Results = append(run.Results, r)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}); err != nil {
		return fmt.Errorf("SARIF log: %w", err)
	}
	return nil
}

// artifact names a file: relative to the root of the checkout, or, where it lies
// elsewhere, as a file URI.
func artifact(file string) sarifArtifact {
	if path.IsAbs(file) {
		return sarifArtifact{URI: (&url.URL{Scheme: "file", Path: file}).String()}
	}
	return sarifArtifact{URI: (&url.URL{Path: file}).String(), Base: "%SRCROOT%"}
}

func region(i Issue) *sarifRegion {
	if i.Line <= 0 {
		return nil
	}
	return &sarifRegion{i.Line, i.Column, i.EndLine, i.EndColumn}
}
