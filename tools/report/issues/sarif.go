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
	ID    string        `json:"id"`
	Short sarifMessage  `json:"shortDescription"`
	Help  *sarifMessage `json:"help,omitempty"`
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

	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
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

// SARIF writes results as one SARIF 2.1.0 log with a run each, named for the
// appliance so that runs over several appliances do not replace one another.
// What is waived is a suppressed result. version is Trunkline's.
func SARIF(w io.Writer, version string, results ...Result) error {
	log := sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{}}
	for _, r := range results {
		log.Runs = append(log.Runs, run(r.Name, version, r.Issues))
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(log); err != nil {
		return fmt.Errorf("SARIF log: %w", err)
	}
	return nil
}

func run(name, version string, list []Issue) sarifRun {
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
			rule := sarifRule{ID: i.ID, Short: sarifMessage{i.Summary}}
			if i.Source != "" {
				rule.Help = &sarifMessage{"Source of the rule: " + i.Source}
			}
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		}
		r := sarifResult{RuleID: i.ID, RuleIndex: index, Level: i.Severity, Message: sarifMessage{i.Summary + ". " + i.Detail}}
		if i.Detail == "" {
			r.Message.Text = i.Summary
		}
		if i.Severity != sizing.SeverityError && i.Severity != sizing.SeverityWarning {
			r.Level = "note"
		}
		if i.Severity == sizing.SeverityWaived { // 3.35: by something in the source
			r.Suppressions = []sarifSuppression{{"inSource", i.Waiver}}
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
	return run
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
