// Package postgres puts call records into a table of a PostgreSQL server.
//
// It promises that a record is in the table once, however often it is sent, for its key is the
// primary key; that a batch is one statement; that one record the server does not take keeps no
// other back; and that it waits a few seconds at most. The user needs the right to insert, and to select the
// column key.
package postgres

import (
	"bytes"
	"context"
	_ "embed" // the definition of the table
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/appliance/runtime"
	"trunkline/proxy/warm/postgres"
)

// TableName is the table, which is looked for on the user's search_path.
const TableName = "call_records"

// Definition is the statement that makes the table. Columns of one's own may be added when
// they have defaults.
//
//go:embed table.sql
var Definition string

const (
	// within bounds one try, that to connect included.
	within = 3 * time.Second
	// serverWithin is how long the server works on a statement: less, so that it has the word.
	serverWithin = "2500"
)

// insert takes all records of a JSON array whose key the table does not have.
var insert = func() string {
	var names, types []string
	for line := range strings.Lines(Definition) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "create" {
			kind, _, _ := strings.Cut(strings.TrimSpace(strings.TrimSuffix(rest, ",")), " ")
			names, types = append(names, name), append(types, name+" "+strings.TrimSuffix(kind, ","))
		}
	}
	columns := strings.Join(names, ", ")
	return fmt.Sprintf("insert into %s (%s) select %s from jsonb_to_recordset($1::jsonb) as r(%s) on conflict (key) do nothing", TableName, columns, columns, strings.Join(types, ", "))
}()

// Table is the table on a server. It is for one goroutine.
type Table struct {
	Server  runtime.Database
	Secrets func() (postgres.Secrets, error) // nil: there are none; asked for at each connect
	conn    *pgconn.PgConn                   // nil: there is none at the moment
	array   []byte
}

// Insert implements record.Table.
func (t *Table) Insert(ctx context.Context, records [][]byte) (refused int, why, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := t.connect(ctx); err != nil {
		return 0, nil, err
	}
	err = t.insert(ctx, records)
	if err == nil || !ofData(err) {
		return 0, nil, t.fail(ctx, err)
	}
	if len(records) == 1 {
		return 1, postgres.Explain(ctx, t.Server, err, remedy), nil
	}
	// One of them is wrong: find it by halves. Those taken meanwhile are known by their keys.
	for _, half := range [][][]byte{records[:len(records)/2], records[len(records)/2:]} {
		n, what, err := t.Insert(ctx, half)
		if err != nil {
			return 0, nil, err
		}
		if refused += n; what != nil {
			why = what
		}
	}
	return refused, why, nil
}

func (t *Table) insert(ctx context.Context, records [][]byte) error {
	t.array = append(t.array[:0], '[')
	for i, r := range records {
		if i > 0 {
			t.array = append(t.array, ',')
		}
		t.array = append(t.array, bytes.TrimSpace(r)...)
	}
	t.array = append(t.array, ']')
	return t.conn.ExecParams(ctx, insert, [][]byte{t.array}, nil, nil, nil).Read().Err
}

// ofData reports whether the server refused what a record says, and would refuse it again
// (class 22, data exception; class 23, integrity constraint violation).
func ofData(err error) bool {
	var told *pgconn.PgError
	return errors.As(err, &told) && (strings.HasPrefix(told.Code, "22") || strings.HasPrefix(told.Code, "23"))
}

func (t *Table) connect(ctx context.Context) error {
	if t.conn != nil && !t.conn.IsClosed() {
		return nil
	}
	var secrets postgres.Secrets
	if t.Secrets != nil {
		var err error
		if secrets, err = t.Secrets(); err != nil {
			return fmt.Errorf("%s: %w", postgres.Where(t.Server), err)
		}
	}
	var err error
	t.conn, err = postgres.Connect(ctx, t.Server, secrets, map[string]string{"statement_timeout": serverWithin}, remedy)
	return err
}

// fail ends the session that something went wrong in.
func (t *Table) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	err = postgres.Explain(ctx, t.Server, err, remedy)
	_ = t.Close()
	return err
}

// Close implements record.Table.
func (t *Table) Close() error {
	if t.conn != nil {
		postgres.Close(context.Background(), t.conn)
		t.conn = nil
	}
	return nil
}

// remedy is what to do about what a server says (PostgreSQL manual, appendix A).
func remedy(code string, d runtime.Database) string {
	switch code {
	case "42P01":
		return fmt.Sprintf(": make the table %s there (the README has the statement)", TableName)
	case "42703", "42804", "42P10":
		return fmt.Sprintf(": the table %s is another one than the README has: correct its columns", TableName)
	case "42501":
		return fmt.Sprintf(": grant insert, and select (key), on %s to user %s", TableName, d.User)
	case "25006":
		return ": it takes no writes at the moment: name the primary server"
	case "57014":
		return ": it is too slow: see what it waits for"
	}
	return ""
}
