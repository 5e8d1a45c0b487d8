package postgres_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"trunkline/proxy/record"
	"trunkline/proxy/record/postgres"
	server "trunkline/proxy/warm/postgres"
	"trunkline/proxy/warm/postgres/postgrestest"
)

func some(first, n int) (out []record.Record) {
	at := time.Date(2026, 11, 22, 1, 2, 3, 456e6, time.UTC)
	for i := range n {
		answered := record.Time(at.Add(time.Second))
		out = append(out, record.Record{Key: fmt.Sprintf("%016x-%016x", 1, first+i), Appliance: "edge", CallID: fmt.Sprint(first + i), Caller: `sip:"quoted"\@example.net`,
			Source: "192.0.2.1:5060", Began: record.Time(at), Answered: &answered, Ended: record.Time(at.Add(3 * time.Second)), DurationMS: 3000, TalkMS: 2000, Cause: "bye", Code: 200, Emergency: i%2 == 0})
		if i%3 == 0 {
			out[i].Answered = nil
		}
	}
	return out
}

func table(s *postgrestest.Server) *postgres.Table {
	return &postgres.Table{Server: s.Database(), Secrets: func() (server.Secrets, error) { return server.Secrets{Password: []byte(postgrestest.Password)}, nil }}
}

// Records come to a real server once each, whatever happens to it.
func TestTable(t *testing.T) {
	s := postgrestest.New(t)
	d, err := record.NewDatabase(table(s), t.TempDir(), record.DatabaseOptions{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	write := func(first, n int) {
		t.Helper()
		if err := d.Write(t.Context(), some(first, n)); err != nil {
			t.Fatal(err)
		}
	}
	drained := func() {
		t.Helper()
		for until := time.Now().Add(time.Minute); d.Stats().Spooled > 0; {
			d.Tend(t.Context())
			if time.Now().After(until) {
				t.Fatalf("not sent: %+v", d.Stats())
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	write(0, 10)
	if st := d.Stats(); st.Spooled != 10 || !strings.Contains(st.Error, "make the table call_records there") {
		t.Errorf("without the table: %+v", st)
	}
	s.Exec(postgres.Definition)
	drained()
	write(10, 200)
	write(5, 20) // again
	s.Kill()
	write(210, 100)
	if st := d.Stats(); st.Spooled != 100 || st.Error == "" {
		t.Errorf("server down: %+v", st)
	}
	s.Start()
	drained()
	write(310, 5)
	if got := s.Value("select count(*) || ' ' || count(distinct key) || ' ' || count(answered) || ' ' || min(began at time zone 'UTC') from call_records"); got != "315 315 208 2026-11-22 01:02:03.456" {
		t.Errorf("the table has %s", got)
	}
	if got := s.Value("select caller || ' ' || emergency || ' ' || talk_ms from call_records where call_id = '12'"); got != `sip:"quoted"\@example.net true 2000` {
		t.Errorf("a row: %s", got)
	}

	// One that the table does not take keeps no other back.
	s.Exec("alter table call_records add constraint no_one check (call_id <> '407')")
	write(400, 20)
	if got := s.Value("select count(*) from call_records"); got != "334" || d.Stats().Refused != 1 || d.Stats().Spooled != 0 {
		t.Errorf("%s rows, %+v", got, d.Stats())
	}
}

// A user with the rights the README names can write, and nothing else.
func TestRights(t *testing.T) {
	s := postgrestest.New(t)
	s.Exec(postgres.Definition)
	s.Exec("create role writer login password 'w'; grant insert, select (key) on call_records to writer")
	x := table(s)
	x.Server.User, x.Secrets = "writer", func() (server.Secrets, error) { return server.Secrets{Password: []byte("w")}, nil }
	defer x.Close()
	line := []byte(`{"key":"1","appliance":"","call_id":"","caller":"","callee":"","called":"","source":"","listener":"","carrier":"","dispatcher":"","destination":"","began":"2026-11-22T00:00:00.000Z","answered":null,"ended":"2026-11-22T00:00:00.000Z","duration_ms":0,"talk_ms":0,"cause":"","code":0,"ended_by":"","emergency":false,"process":0,"cut":""}` + "\n")
	for range 2 {
		if refused, _, err := x.Insert(t.Context(), [][]byte{line}); err != nil || refused != 0 {
			t.Fatal(refused, err)
		}
	}
	s.Exec("revoke insert on call_records from writer")
	if _, _, err := x.Insert(t.Context(), [][]byte{line}); err == nil || !strings.Contains(err.Error(), "grant insert") {
		t.Errorf("without the right: %v", err)
	}
	x.Secrets = func() (server.Secrets, error) { return server.Secrets{Password: []byte("wrong")}, nil }
	_ = x.Close()
	if _, _, err := x.Insert(t.Context(), [][]byte{line}); err == nil || !strings.Contains(err.Error(), "correct user or password") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with another password: %v", err)
	}
}
