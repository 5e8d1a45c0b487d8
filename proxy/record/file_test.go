package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func readRecords(t *testing.T, dir string) (out []Record) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "records-*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			var r Record
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatalf("%s: %v: %s", f, err, line)
			}
			out = append(out, r)
		}
	}
	return out
}

func ids(records []Record) (out []string) {
	for _, r := range records {
		out = append(out, r.CallID)
	}
	return out
}

func some(first, n int) (out []Record) {
	for i := range n {
		out = append(out, Record{Key: fmt.Sprint("key-", first+i), CallID: fmt.Sprint(first + i), Began: Time(time.Unix(1e9, 0)), Ended: Time(time.Unix(1e9+1, 0))})
	}
	return out
}

func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records")
	o := FileOptions{Size: 4000, Files: 3}
	f, err := OpenFile(dir, o, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if err := f.Write(t.Context(), some(i, 1)); err != nil {
			t.Fatal(err)
		}
		f.Tend(t.Context())
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 3 {
		t.Errorf("files: %v", files)
	}
	for _, p := range files {
		if st, err := os.Stat(p); err != nil || st.Size() > o.Size || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", p, st, err)
		}
	}
	kept := ids(readRecords(t, dir))
	if len(kept) == 0 || kept[len(kept)-1] != "39" {
		t.Errorf("records: %v", kept)
	}
	for i, id := range kept {
		if id != fmt.Sprint(40-len(kept)+i) {
			t.Errorf("records: %v", kept)
			break
		}
	}

	// Half a line, as a power cut leaves it, is taken away; a record that is there is not
	// written again.
	last := files[len(files)-1]
	b, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(last, append(b, `{"key":"half`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err = OpenFile(dir, o, quiet); err != nil {
		t.Fatal(err)
	}
	if err := f.Write(t.Context(), some(38, 4)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	again := ids(readRecords(t, dir))
	if got := strings.Join(again[len(again)-4:], " "); got != "38 39 40 41" {
		t.Errorf("after a restart: %v", again)
	}
}

func TestJournal(t *testing.T) {
	var out bytes.Buffer
	j := NewJournal(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	r := some(7, 1)
	r[0].Cause, r[0].Code, r[0].Caller = "rejected", 486, "sip:a\nb@c"
	if err := j.Write(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	want := `level=INFO msg="call record" key=key-7 call_id=7 caller="sip:a\nb@c" began=2001-09-09T01:46:40.000Z ended=2001-09-09T01:46:41.000Z duration_ms=0 talk_ms=0 cause=rejected code=486 process=0` + "\n"
	if out.String() != want {
		t.Errorf("got  %swant %s", &out, want)
	}
}
