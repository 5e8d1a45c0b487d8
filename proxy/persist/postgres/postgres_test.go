package postgres_test

import (
	"maps"
	"strings"
	"testing"

	"trunkline/proxy/persist"
	"trunkline/proxy/persist/postgres"
	server "trunkline/proxy/warm/postgres"
	"trunkline/proxy/warm/postgres/postgrestest"
)

func store(s *postgrestest.Server, appliance string) *postgres.Store {
	return &postgres.Store{Server: s.Database(), Appliance: appliance, Secrets: func() (server.Secrets, error) { return server.Secrets{Password: []byte(postgrestest.Password)}, nil }}
}

// Batches come to a real server whole or not at all; appliances have rows of their own.
func TestStore(t *testing.T) {
	s := postgrestest.New(t)
	x := store(s, "edge")
	defer x.Close()
	want := func(x *postgres.Store, head persist.Head, want map[uint64]string) {
		t.Helper()
		h, calls, ok, err := x.Load(t.Context())
		got := map[uint64]string{}
		for id, b := range calls {
			got[id] = string(b)
		}
		if err != nil || ok != (want != nil) || h != head || !maps.Equal(got, want) {
			t.Errorf("%v %v %v %v, want %v", h, got, ok, err, want)
		}
	}
	head := persist.Head{Binding: [32]byte{0, 255, '\\'}, Secret: [16]byte{7}}
	if _, _, _, err := x.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "make the tables call_state") {
		t.Errorf("without tables: %v", err)
	}
	s.Exec(postgres.Definition)
	want(x, persist.Head{}, nil)
	const high = 1<<63 + 5 // an ID of the upper shards
	first := &persist.Batch{Put: []persist.Entry{{ID: 1, Call: []byte("one \x00\"\\{},")}, {ID: 2, Call: []byte("two")}, {ID: high, Call: []byte{}}}}
	if err := x.Begin(t.Context(), head, first); err != nil {
		t.Fatal(err)
	}
	want(x, head, map[uint64]string{1: "one \x00\"\\{},", 2: "two", high: ""})
	if err := x.Apply(t.Context(), &persist.Batch{Put: []persist.Entry{{ID: 2, Call: []byte("changed")}, {ID: 4, Call: []byte("four")}}, Gone: []uint64{1, high}}); err != nil {
		t.Fatal(err)
	}
	after := map[uint64]string{2: "changed", 4: "four"}
	want(x, head, after)

	other := store(s, "other")
	defer other.Close()
	want(other, persist.Head{}, nil)
	if err := other.Begin(t.Context(), head, first); err != nil {
		t.Fatal(err)
	}
	want(x, head, after)

	// A batch the server refuses in the middle has not happened.
	s.Exec("alter table call_state add constraint no_nine check (id <> 9)")
	var many persist.Batch
	for i := range uint64(1200) {
		many.Put = append(many.Put, persist.Entry{ID: 1000 - i%2*991 + i/2, Call: []byte("x")})
	}
	if err := x.Apply(t.Context(), &many); err == nil {
		t.Error("a batch was taken that cannot be")
	}
	want(x, head, after)
	s.Kill()
	if err := x.Apply(t.Context(), &persist.Batch{Gone: []uint64{2}}); err == nil {
		t.Error("a server that is down took a batch")
	}
	s.Start()
	if err := x.Apply(t.Context(), &persist.Batch{Gone: []uint64{2}}); err != nil {
		t.Error(err)
	}
	want(x, head, map[uint64]string{4: "four"})
}
