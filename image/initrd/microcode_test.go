package initrd

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
)

// The archive is what the kernel's find_cpio_data reads (lib/earlycpio.c): the name
// begins as it looks for it, and the data lies where processors can take it from.
func TestMicrocode(t *testing.T) {
	updates := map[string][]byte{"intel": []byte(strings.Repeat("I", 4097)), "amd": []byte(strings.Repeat("A", 33))}
	b, err := Microcode(updates)
	if err != nil {
		t.Fatal(err)
	}
	if len(b)%Align != 0 {
		t.Errorf("%d bytes: another archive could not follow", len(b))
	}
	want := map[string][]byte{"kernel/x86/microcode/AuthenticAMD.bin": updates["amd"], "kernel/x86/microcode/GenuineIntel.bin": updates["intel"]}
	r := cpio.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimRight(h.Name, "\x00")
		if h.Mode.IsDir() {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(data, want[name]) {
			t.Errorf("%s: %d bytes (%v), want %d", name, len(data), err, len(want[name]))
		}
		delete(want, name)
		if at := bytes.Index(b, data); at%microcodeAlign != 0 {
			t.Errorf("%s: data at %d, not a multiple of %d", name, at, microcodeAlign)
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the archive: %v", fmt.Sprint(want))
	}
	if again, err := Microcode(updates); err != nil || !bytes.Equal(again, b) {
		t.Errorf("not the same bytes again (%v)", err)
	}
	if _, err := Microcode(map[string][]byte{"cyrix": nil}); err == nil || !strings.Contains(err.Error(), "amd, intel") {
		t.Errorf("a maker that is not known: %v", err)
	}
}
