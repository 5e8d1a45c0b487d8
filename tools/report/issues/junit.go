package issues

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Line    int           `xml:"line,attr,omitempty"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Skipped *junitSkipped `xml:"skipped,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes results as a JUnit report with two suites each: the spec, and the
// plan with its ceilings. An error is a failed test, what is waived a skipped
// one; a warning or note is a passed one that says so in its output; so is every
// ceiling nobody complains about.
func JUnit(w io.Writer, results ...Result) error {
	all := junitSuites{Name: "trunkline"}
	for _, r := range results {
		all.Suites = append(all.Suites, suites(r.Name, r.Plan, r.Issues)...)
	}
	for _, s := range all.Suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
	}
	b, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("JUnit report: %w", err)
	}
	_, err = io.WriteString(w, xml.Header+string(b)+"\n")
	return err
}

func suites(name string, p *plan.Plan, list []Issue) []junitSuite {
	spec, planned := junitSuite{Name: name + " spec"}, junitSuite{Name: name + " plan"}
	told := map[string]bool{}
	for _, i := range list {
		if strings.HasPrefix(i.ID, "spec.") {
			spec.add(testCase(name+".spec", i))
		} else {
			told[i.ID] = true
			planned.add(testCase(name+".plan", i))
		}
	}
	if spec.Failures == 0 {
		spec.add(junitCase{Class: name + ".spec", Name: "spec is valid"})
	}
	if p == nil {
		return []junitSuite{spec}
	}
	for _, c := range p.Budget.Ceilings {
		if !told[c.At.ID] {
			planned.add(junitCase{Class: name + ".plan", Name: c.At.ID,
				Out: fmt.Sprintf("%s saturates at %s, %.2f times the plan. To raise it: %s.", c.Resource, c.At.Format(), c.Headroom, c.Remedy)})
		}
	}
	return []junitSuite{spec, planned}
}

func testCase(class string, i Issue) junitCase {
	c := junitCase{Class: class, Name: i.ID, File: i.File, Line: i.Line}
	if at := i.Place(); at != "" && strings.HasPrefix(i.ID, "spec.") {
		c.Name += " " + at // one mistake may be made twice
	}
	switch i.Severity {
	case sizing.SeverityError:
		c.Failure = &junitFailure{Type: i.Severity, Message: i.Summary, Text: i.told()}
	case sizing.SeverityWaived:
		c.Skipped = &junitSkipped{i.Waiver}
		c.Out = i.told()
	default:
		c.Out = i.Severity + ": " + i.told()
	}
	return c
}

// told is all an issue has to say, with its place.
func (i Issue) told() string {
	s := i.Summary
	if at := i.Place(); at != "" {
		s += " (" + at + ")"
	}
	if i.Detail != "" {
		s += "\n" + i.Detail
	}
	return s
}

// add counts a case. Readers tell cases apart by name alone, and one rule may
// find several things on one line.
func (s *junitSuite) add(c junitCase) {
	for n, name := 2, c.Name; slices.ContainsFunc(s.Cases, func(o junitCase) bool { return o.Name == c.Name }); n++ {
		c.Name = fmt.Sprintf("%s #%d", name, n)
	}
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}
