package shm

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"
	"unsafe"
)

// Take gives the rows of the next region of the arena: zero ones in a new arena, what the
// process before left in an adopted one. Of a nil arena they are on the Go heap. It is an
// error when the row type holds pointers, when an adopted arena has another region there, or
// when there is no memory.
func Take[T any](a *Arena, name string, n int) ([]T, error) {
	var row T
	t := reflect.TypeOf(row)
	if path := pointer(t); path != "" {
		return nil, fmt.Errorf("arena: region %s: row type %s holds a pointer: %s", name, t, path)
	}
	if n < 0 || t.Size() == 0 || uint64(n) > reserved/uint64(t.Size()) {
		return nil, fmt.Errorf("arena: region %s: %d rows of %d bytes", name, n, t.Size())
	}
	if a == nil {
		return make([]T, n), nil
	}
	want := region{rows: uint64(n), row: uint64(t.Size()), shape: shapeOf(t)}
	if len(name) > maxName {
		return nil, fmt.Errorf("arena: the name %s is longer than %d bytes", name, maxName)
	}
	copy(want.name[:], name)
	r, err := a.region(want)
	if err != nil {
		return nil, err
	}
	a.took++
	return unsafe.Slice((*T)(unsafe.Add(a.first(), r.offset)), n), nil
}

// region finds the next region of an adopted arena, or makes it.
func (a *Arena) region(want region) (*region, error) {
	h := a.h
	if a.took == maxRegions {
		return nil, fmt.Errorf("arena: more than %d regions", maxRegions)
	}
	r := &h.table[a.took]
	if a.adopted {
		if a.took >= int(h.regions) {
			return nil, fmt.Errorf("%w: it has no region %s", errRefused, name(want))
		}
		want.offset = r.offset
		switch {
		case r.name != want.name:
			return nil, fmt.Errorf("%w: region %d is %s, this program's is %s", errRefused, a.took, name(*r), name(want))
		case r.rows != want.rows || r.row != want.row:
			return nil, fmt.Errorf("%w: %s has %d rows of %d bytes, this program's %d of %d", errRefused, name(want), r.rows, r.row, want.rows, want.row)
		case r.shape != want.shape:
			return nil, fmt.Errorf("%w: rows of %s have another shape", errRefused, name(want))
		case r.offset%page != 0 || r.offset < headerSize || r.offset+r.rows*r.row > h.size:
			return nil, fmt.Errorf("%w: %s lies outside of it", errRefused, name(want))
		}
		return r, nil
	}
	want.offset = roundUp(h.size, page)
	end := want.offset + want.rows*want.row
	if err := a.grow(end); err != nil {
		return nil, err
	}
	*r = want
	h.size = end
	h.regions++
	return r, nil
}

func name(r region) string { return strings.TrimRight(string(r.name[:]), "\x00") }

// Region says what a table of the arena takes.
type Region struct {
	Name  string `json:"name"`
	Rows  uint64 `json:"rows"`
	Row   uint64 `json:"row_bytes"`
	Bytes uint64 `json:"bytes"`
}

// Regions are the tables of the arena, in their order; none of a nil arena.
func (a *Arena) Regions() []Region {
	if a == nil {
		return nil
	}
	var out []Region
	for _, r := range a.h.table[:a.h.regions] {
		out = append(out, Region{name(r), r.rows, r.row, r.rows * r.row})
	}
	return out
}

// Size is what the arena takes when every row is in use, bytes.
func (a *Arena) Size() uint64 {
	if a == nil {
		return 0
	}
	return a.mapped
}

// pointer names the first field of a type that holds a pointer, or nothing.
func pointer(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return ""
	case reflect.Array:
		return pointer(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if p := pointer(t.Field(i).Type); p != "" {
				return t.Field(i).Name + " " + p
			}
		}
		return ""
	default:
		return t.String()
	}
}

// shapeOf is a hash of a type's fields with their names, kinds and places: another one
// means that a row of one program cannot be read by the other.
func shapeOf(t reflect.Type) uint64 {
	h := fnv.New64a()
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		fmt.Fprintf(h, "%s %d;", t.Kind(), t.Size())
		switch t.Kind() {
		case reflect.Array:
			fmt.Fprintf(h, "[%d]", t.Len())
			walk(t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				f := t.Field(i)
				fmt.Fprintf(h, "%s %d ", f.Name, f.Offset)
				walk(f.Type)
			}
		}
	}
	walk(t)
	return h.Sum64()
}
