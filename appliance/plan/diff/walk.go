package diff

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"trunkline/appliance/runtime"
)

// ordered names the lists whose order decides something: routes are tried in
// order, and algorithms pick destinations by their place.
var ordered = map[string]bool{"routes[]": true, "dispatchers[].destinations[]": true}

// skipped are fields told elsewhere: the digest in the head, the number of
// sockets, which is that of the workers, and services by what they belong to and by
// who reaches them.
var skipped = map[string]bool{"spec_digest": true, "listeners[].socket_count": true, "firewall.services": true}

// walker compares two values of one type, field by field, and collects changes.
type walker struct {
	out  []Change
	here bool // in what is on the appliance itself, although its like may be elsewhere
}

// emit adds a change with what the impact table says of it.
func (w *walker) emit(c Change) {
	r, _ := ruleOf(c.Path, w.here)
	c.Group, c.Impact, c.How = r.Group, r.on(c.Action), r.How
	if c.Field != "" {
		c.Unit = r.Unit
	}
	if c.Action == Remove && c.Field == "" || r.Guard && (c.Action == Remove || zero(c.After)) {
		c.Group = Removals
	}
	w.out = append(w.out, c)
}

func zero(v any) bool { return v == nil || reflect.ValueOf(v).IsZero() }

// fields compares two structs. Object is what they are called.
func (w *walker) fields(path, object string, a, b reflect.Value) {
	for i := range a.NumField() {
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
		p := name
		if path != "" {
			p = path + "." + name
		}
		if name == "" || name == "-" || skipped[p] || skipped[p+"[]"] {
			continue
		}
		w.value(p, object, name, a.Field(i), b.Field(i))
	}
}

func (w *walker) value(path, object, field string, a, b reflect.Value) {
	switch {
	case isText(a):
		w.leaf(path, object, field, a, b)
	case a.Kind() == reflect.Struct:
		w.fields(path, join(object, words(field)), a, b)
	case a.Kind() == reflect.Pointer:
		switch {
		case a.IsNil() && b.IsNil():
		case a.IsNil():
			defer func(outer bool) { w.here = outer }(w.here)
			w.here = onAppliance(b)
			w.emit(Change{Action: Add, Path: path, Object: join(object, words(field)), After: b.Interface()})
		case b.IsNil():
			defer func(outer bool) { w.here = outer }(w.here)
			w.here = onAppliance(a)
			w.emit(Change{Action: Remove, Path: path, Object: join(object, words(field)), Before: a.Interface()})
		default:
			w.fields(path, join(object, words(field)), a.Elem(), b.Elem())
		}
	case a.Kind() == reflect.Slice && isNamed(a.Type().Elem()):
		w.objects(path+"[]", object, kind(field), a, b)
	case a.Kind() == reflect.Slice:
		w.list(path, object, field, a, b)
	case a.Kind() == reflect.Map:
		w.pairs(path, object, field, a, b)
	default:
		w.leaf(path, object, field, a, b)
	}
}

func (w *walker) leaf(path, object, field string, a, b reflect.Value) {
	if x, y := a.Interface(), b.Interface(); x != y {
		w.emit(Change{Action: Modify, Path: path, Object: object, Field: words(field), Before: x, After: y})
	}
}

// list compares lists of plain values, which are sets.
func (w *walker) list(path, object, field string, a, b reflect.Value) {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return
	}
	x, y := texts(a), texts(b)
	gone, came := missing(x, y), missing(y, x)
	action := Modify
	switch {
	case len(gone) == 0 && len(came) == 0:
		return
	case len(gone) == 0:
		action = Add
	}
	// A list that got shorter is a value that changed, not an object that went.
	w.emit(Change{Action: action, Path: path, Object: object, Field: words(field), Before: x, After: y})
}

// pairs compares maps of text, key by key.
func (w *walker) pairs(path, object, field string, a, b reflect.Value) {
	x, y := a.Interface().(map[string]string), b.Interface().(map[string]string)
	keys := map[string]bool{}
	for k := range x {
		keys[k] = true
	}
	for k := range y {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if old, now := x[k], y[k]; old != now {
			w.emit(Change{Action: Modify, Path: path, Object: object, Field: words(field) + " " + k, Before: old, After: now})
		}
	}
}

// onAppliance reports whether an object is on the appliance itself, and not on another host as
// its like may be.
func onAppliance(v reflect.Value) bool {
	switch v := v.Interface().(type) {
	case runtime.MediaInstance:
		return v.Local
	case *runtime.Media:
		return slices.ContainsFunc(v.Instances, func(i runtime.MediaInstance) bool { return i.Local })
	}
	return false
}

// objects compares lists of named structs.
func (w *walker) objects(path, object, kind string, a, b reflect.Value) {
	defer func(outer bool) { w.here = outer }(w.here)
	before, after := byName(a), byName(b)
	var inA, inB []string
	for i := range a.Len() {
		name := nameOf(a.Index(i))
		if _, stays := after[name]; stays {
			inA = append(inA, name)
			continue
		}
		w.here = onAppliance(a.Index(i))
		w.emit(Change{Action: Remove, Path: path, Object: join(object, fmt.Sprintf("%s %q", kind, name)),
			Summary: summary(a.Index(i).Interface()), Before: a.Index(i).Interface()})
	}
	for i := range b.Len() {
		name := nameOf(b.Index(i))
		what := join(object, fmt.Sprintf("%s %q", kind, name))
		was, ok := before[name]
		w.here = onAppliance(b.Index(i)) || ok && onAppliance(was)
		if !ok {
			w.emit(Change{Action: Add, Path: path, Object: what, Summary: summary(b.Index(i).Interface()), After: b.Index(i).Interface()})
			continue
		}
		inB = append(inB, name)
		w.fields(path, what, was, b.Index(i))
	}
	if ordered[path] && strings.Join(inA, "\x00") != strings.Join(inB, "\x00") {
		w.emit(Change{Action: Modify, Path: path, Object: object, Field: "order of " + kind + "s", Before: inA, After: inB})
	}
}

// summary says in a few words what an object is.
func summary(v any) string {
	switch v := v.(type) {
	case runtime.Listener:
		return v.Transport + " " + v.Address.String()
	case runtime.Dispatcher:
		if len(v.Destinations) == 1 {
			return v.Algorithm + ", 1 destination"
		}
		return fmt.Sprintf("%s, %d destinations", v.Algorithm, len(v.Destinations))
	case runtime.Destination:
		return v.URI
	case runtime.Route:
		to := strings.Join(v.To, ", ")
		if v.Cache != "" {
			to = "cache " + v.Cache
		}
		from := "any listener"
		if len(v.From) > 0 {
			from = strings.Join(v.From, ", ")
		}
		if len(v.Carriers) > 0 {
			from += ", carriers " + strings.Join(v.Carriers, ", ")
		}
		if v.Prefix != "" {
			from += ", prefix " + v.Prefix
		}
		if v.Pattern != "" {
			from += ", pattern " + v.Pattern
		}
		switch {
		case v.Rewrite != "":
			to += " as " + v.Rewrite
		case v.Strip > 0 || v.Add != "":
			to += fmt.Sprintf(", %d characters off, %q before", v.Strip, v.Add)
		}
		return from + " -> " + to
	case runtime.Cache:
		return v.Source + " " + v.Path
	case runtime.MediaInstance:
		if v.Local {
			return fmt.Sprintf("on the appliance, ports %d-%d", v.FirstPort, v.LastPort)
		}
		return strings.Join(texts(reflect.ValueOf(v.Control)), ", ")
	case runtime.Database:
		if v.File != "" {
			return v.Engine + " " + v.File
		}
		return v.Engine + " " + v.Address
	case runtime.ScopedLimits:
		return fmt.Sprintf("%d calls/s, %d calls", v.CPS, v.ConcurrentCalls)
	case runtime.NIC:
		return strings.Join(texts(reflect.ValueOf(v.Addresses)), ", ")
	}
	return ""
}

var marshaler = reflect.TypeFor[encoding.TextMarshaler]()

func isText(v reflect.Value) bool { return v.Type().Implements(marshaler) }

// isNamed reports whether t is a struct with a name to match by.
func isNamed(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	f, ok := t.FieldByName("Name")
	return ok && f.Type.Kind() == reflect.String
}

func nameOf(v reflect.Value) string { return v.FieldByName("Name").String() }

func byName(v reflect.Value) map[string]reflect.Value {
	out := make(map[string]reflect.Value, v.Len())
	for i := range v.Len() {
		out[nameOf(v.Index(i))] = v.Index(i)
	}
	return out
}

// texts renders the values of a list.
func texts(v reflect.Value) []string {
	out := make([]string, 0, v.Len())
	for i := range v.Len() {
		switch x := v.Index(i).Interface().(type) {
		case runtime.CodeSpan:
			out = append(out, codes(x))
		default:
			out = append(out, fmt.Sprint(x))
		}
	}
	return out
}

// codes writes a span as specs have it: "5xx", "404".
func codes(c runtime.CodeSpan) string {
	switch {
	case c.First == c.Last:
		return fmt.Sprint(c.First)
	case c.First%100 == 0 && c.Last == c.First+99:
		return fmt.Sprintf("%dxx", c.First/100)
	}
	return fmt.Sprintf("%d-%d", c.First, c.Last)
}

// missing lists what is in a and not in b.
func missing(a, b []string) []string {
	in := make(map[string]bool, len(b))
	for _, s := range b {
		in[s] = true
	}
	var out []string
	for _, s := range a {
		if !in[s] {
			out = append(out, s)
		}
	}
	return out
}

// words makes the name of a field readable.
func words(field string) string { return strings.ReplaceAll(field, "_", " ") }

// kind is what one object of a list is called.
func kind(field string) string {
	if field == "nics" {
		return "nic"
	}
	return strings.TrimSuffix(words(field), "s")
}

func join(object, part string) string {
	if object == "" {
		return part
	}
	return object + " " + part
}
