package engine

import (
	"flag"
	"os"
	"testing"
)

// Nearly all tests wait for timers and take no processor meanwhile: more of them run side by
// side than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("6"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
