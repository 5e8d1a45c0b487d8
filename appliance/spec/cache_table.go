package spec

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// table checks the rows of one CSV file: a prefix and a dispatcher set each,
// lines beginning with # are comments.
type table struct {
	d       *decoder
	display string
	src     []byte
	cache   string
	sets    []string
	hurt    bool // sets cannot be judged
	wrong   int
}

// A file made by a broken export has the same mistake in every row.
const maxWrongRows = 10

func (t *table) check() (rows int) {
	r := csv.NewReader(bytes.NewReader(t.src))
	r.Comment = '#'
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	r.ReuseRecord = true
	known := map[string]bool{}
	for _, s := range t.sets {
		known[s] = true
	}
	first := map[string]int{}
	for t.wrong <= maxWrongRows {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			// Where a quote is not closed, the rows after it cannot be told apart.
			t.row(pe.StartLine, "Invalid row", fmt.Sprintf("This is not CSV: %s. Write a prefix, a comma and a dispatcher set, without quotes.", pe.Err))
			break
		} else if err != nil {
			t.row(1, "Invalid file", err.Error())
			break
		}
		line, _ := r.FieldPos(0)
		rows++
		if len(rec) != 2 {
			t.row(line, "Invalid row", fmt.Sprintf("A row has 2 fields, this one has %d. Write a prefix, a comma and a dispatcher set.", len(rec)))
			continue
		}
		prefix, set := strings.TrimSpace(rec[0]), strings.TrimSpace(rec[1])
		switch prev, dup := first[prefix]; {
		case prefix == "":
			t.row(line, "Empty prefix", fmt.Sprintf("A row without a prefix would match every call. Write a route after the one that uses cache %q instead.", t.cache))
		case rows == 1 && !known[set] && prefix == "prefix":
			t.row(line, "Header in a cache file", "The file has rows alone. Remove the header, or put # before it.")
		case strings.Trim(prefix, userChars) != "":
			t.row(line, "Invalid prefix", fmt.Sprintf("%q holds characters that no user part of a SIP URI has (RFC 3261 section 25.1).", prefix))
		case dup:
			t.row(line, "Prefix given twice", fmt.Sprintf("The prefix %q stands in line %d already. Remove one of the two.", prefix, prev))
		case !known[set] && !t.hurt && !t.d.isBroken("dispatcher", set):
			t.row(line, "Unknown dispatcher", fmt.Sprintf("There is no dispatcher %q. %s", set, didYouMean(set, t.sets, "dispatcher")))
		default:
			first[prefix] = line
		}
	}
	return rows
}

// row reports a mistake in a line of the table; beyond a few it stops.
func (t *table) row(line int, summary, detail string) {
	t.wrong++
	rng := lineRange(t.src, t.display, line)
	if t.wrong > maxWrongRows {
		t.d.errorf(rng, "More wrong rows", "The first %d wrong rows of this file are shown. Correct them, then look again.", maxWrongRows)
		return
	}
	t.d.report(hcl.DiagError, rng, summary, detail)
}

// lineRange is the place of a line, counted from 1.
func lineRange(src []byte, display string, line int) hcl.Range {
	start := 0
	for i := 1; i < line; i++ {
		n := bytes.IndexByte(src[start:], '\n')
		if n < 0 {
			break
		}
		start += n + 1
	}
	text := src[start:]
	if n := bytes.IndexByte(text, '\n'); n >= 0 {
		text = text[:n]
	}
	text = bytes.TrimSuffix(text, []byte("\r"))
	return hcl.Range{
		Filename: display,
		Start:    hcl.Pos{Line: line, Column: 1, Byte: start},
		End:      hcl.Pos{Line: line, Column: 1 + len([]rune(string(text))), Byte: start + len(text)},
	}
}
