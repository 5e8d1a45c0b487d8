package issues

import (
	"io"
	"strconv"
	"strings"

	"trunkline/appliance/sizing"
)

// GitHub writes issues as workflow commands, which GitHub Actions shows at the
// lines they are about. The verdict of a plan comes last, as a notice.
func GitHub(w io.Writer, results ...Result) error {
	var b strings.Builder
	for _, r := range results {
		for _, i := range r.Issues {
			b.WriteString(command(r.Name, i))
		}
		if r.Plan != nil {
			b.WriteString("::notice title=" + property(r.Name) + "::" + message(r.Plan.Verdict) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func command(name string, i Issue) string {
	level := "notice"
	switch i.Severity {
	case sizing.SeverityError:
		level = "error"
	case sizing.SeverityWarning:
		level = "warning"
	}
	var props []string
	add := func(key, value string) {
		if value != "" {
			props = append(props, key+"="+property(value))
		}
	}
	add("file", i.File)
	add("line", positive(i.Line))
	add("endLine", positive(i.EndLine))
	if i.EndLine == i.Line { // columns are read on one line alone
		add("col", positive(i.Column))
		add("endColumn", positive(i.EndColumn))
	}
	add("title", name+": "+i.Summary)
	return "::" + level + " " + strings.Join(props, ",") + "::" + message(i.text()) + "\n"
}

// text is the detail, or the summary where there is no more to say.
func (i Issue) text() string {
	if i.Detail == "" {
		return i.Summary
	}
	return i.Detail
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// message escapes what would end a command's line; the runner undoes it.
func message(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// property also escapes what ends a property.
func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
