package engine

import (
	"reflect"
	"testing"

	"trunkline/appliance/runtime"
)

// Whatever of a configuration may be absent is either run or named: a new pointer,
// list or block that is neither fails here.
func TestUnsupportedNamesEveryOptionalPart(t *testing.T) {
	run := map[string]bool{"Site": true, "Caches": true, "Name": true, "SpecDigest": true, "Resolvers": true, "Update": true, "Databases": true, "Session": true, "Media": true}
	typ := reflect.TypeFor[runtime.Appliance]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if run[f.Name] || f.Type.Kind() != reflect.Pointer && f.Type.Kind() != reflect.Slice {
			continue
		}
		a := runtime.Appliance{}
		v := reflect.ValueOf(&a).Elem().Field(i)
		if f.Type.Kind() == reflect.Pointer {
			v.Set(reflect.New(f.Type.Elem()))
		} else {
			v.Set(reflect.MakeSlice(f.Type, 1, 1))
		}
		got := Unsupported(&a)
		switch f.Name {
		case "Listeners": // a datagram listener is run
			if len(got) != 0 {
				t.Errorf("a listener over UDP: %v", got)
			}
		case "Dispatchers", "Routes": // of no algorithm; a route is run
		case "Secrets", "Messages": // what needs them is named by itself
		default:
			if len(got) == 0 {
				t.Errorf("%s is neither run nor named", f.Name)
			}
		}
	}
}

func TestUnsupported(t *testing.T) {
	tests := []struct {
		name string
		edit func(a *runtime.Appliance)
		want string
	}{
		{"transport", func(a *runtime.Appliance) { a.Listeners = []runtime.Listener{{Name: "x", Transport: "sctp"}} }, "listener x: transport sctp"},
		{"algorithm", func(a *runtime.Appliance) { a.Dispatchers = []runtime.Dispatcher{{Name: "d", Algorithm: "nearest"}} }, "dispatcher d: algorithm nearest"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &runtime.Appliance{}
			tt.edit(a)
			if got := Unsupported(a); !reflect.DeepEqual(got, []string{tt.want}) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := Unsupported(&runtime.Appliance{}); len(got) != 0 {
		t.Errorf("nothing asked for: %q", got)
	}
}
