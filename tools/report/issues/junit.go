package issues

import (
	"encoding/xml"
	"fmt"
	"io"
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
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes issues as a JUnit report with two suites: the spec, and the plan
// with its ceilings. An error is a failed test; a warning or note is a passed
// one that says so in its output; so is every ceiling nobody complains about. p
// is nil when the spec has no plan.
func JUnit(w io.Writer, name string, p *plan.Plan, list []Issue) error {
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
	all := junitSuites{Name: "trunkline " + name, Suites: []junitSuite{spec}}
	if p != nil {
		for _, c := range p.Budget.Ceilings {
			if !told[c.At.ID] {
				planned.add(junitCase{Class: name + ".plan", Name: c.At.ID,
					Out: fmt.Sprintf("%s saturates at %s, %.2f times the plan. To raise it: %s.", c.Resource, c.At.Format(), c.Headroom, c.Remedy)})
			}
		}
		all.Suites = append(all.Suites, planned)
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

func testCase(class string, i Issue) junitCase {
	c := junitCase{Class: class, Name: i.ID, File: i.File, Line: i.Line}
	if at := i.Place(); at != "" && strings.HasPrefix(i.ID, "spec.") {
		c.Name += " " + at // one mistake may be made twice
	}
	if i.Severity == sizing.SeverityError {
		c.Failure = &junitFailure{Type: i.Severity, Message: i.Summary, Text: i.told()}
	} else {
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

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	s.Cases = append(s.Cases, c)
}
