// Package postgres keeps calls in progress in two tables of a PostgreSQL server.
//
// It promises that a batch is one transaction, and that it waits a few seconds at most. The user needs the
// rights to select, insert, update and delete.
package postgres

import (
	"context"
	_ "embed" // the definition of the tables
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/appliance/runtime"
	"trunkline/proxy/persist"
	"trunkline/proxy/warm/postgres"
)

// Definition is the statements that make the tables.
//
//go:embed tables.sql
var Definition string

const (
	// within bounds one batch, that to connect included; a first one is of all calls.
	within      = 5 * time.Second
	withinAll   = 30 * time.Second
	perRow      = 500 // calls in a statement
	serverGrace = 500 * time.Millisecond
)

// Store is the tables on a server, as persist.Store.
type Store struct {
	Server    runtime.Database
	Appliance string                           // whose rows are ours
	Secrets   func() (postgres.Secrets, error) // nil: there are none; asked for at each connect
	conn      *pgconn.PgConn
}

// Name implements persist.Store.
func (*Store) Name() string { return "database" }

// Load implements persist.Store.
func (s *Store) Load(ctx context.Context) (h persist.Head, calls map[uint64][]byte, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, withinAll)
	defer cancel()
	err = s.do(ctx, withinAll, func() error {
		r := s.conn.ExecParams(ctx, "select binding, secret from call_state_head where appliance = $1", [][]byte{[]byte(s.Appliance)}, nil, nil, []int16{1}).Read()
		if r.Err != nil || len(r.Rows) == 0 {
			return r.Err
		}
		if len(r.Rows[0][0]) != len(h.Binding) || len(r.Rows[0][1]) != len(h.Secret) {
			return errors.New("the row of call_state_head is not one of ours")
		}
		copy(h.Binding[:], r.Rows[0][0])
		copy(h.Secret[:], r.Rows[0][1])
		ok, calls = true, map[uint64][]byte{}
		rows := s.conn.ExecParams(ctx, "select id, call from call_state where appliance = $1", [][]byte{[]byte(s.Appliance)}, nil, nil, []int16{1})
		for rows.NextRow() {
			v := rows.Values()
			if len(v[0]) == 8 {
				calls[binary.BigEndian.Uint64(v[0])] = append([]byte(nil), v[1]...)
			}
		}
		_, err := rows.Close()
		return err
	})
	if err != nil {
		return h, nil, false, err
	}
	return h, calls, ok, nil
}

// Begin implements persist.Store.
func (s *Store) Begin(ctx context.Context, h persist.Head, b *persist.Batch) error {
	return s.write(ctx, withinAll, func() error {
		name := []byte(s.Appliance)
		if err := s.exec(ctx, "delete from call_state where appliance = $1", name); err != nil {
			return err
		}
		err := s.exec(ctx, "insert into call_state_head values ($1, $2, $3) on conflict (appliance) do update set binding = excluded.binding, secret = excluded.secret",
			name, bytea(h.Binding[:]), bytea(h.Secret[:]))
		if err != nil {
			return err
		}
		return s.apply(ctx, b)
	})
}

// Apply implements persist.Store.
func (s *Store) Apply(ctx context.Context, b *persist.Batch) error {
	return s.write(ctx, within, func() error { return s.apply(ctx, b) })
}

// apply writes a batch within a transaction.
func (s *Store) apply(ctx context.Context, b *persist.Batch) error {
	name := []byte(s.Appliance)
	for put := b.Put; len(put) > 0; {
		n := min(len(put), perRow)
		ids, texts := []byte{'{'}, []byte{'{'}
		for i, e := range put[:n] {
			if i > 0 {
				ids, texts = append(ids, ','), append(texts, ',')
			}
			ids = strconv.AppendInt(ids, int64(e.ID), 10)
			texts = append(hex.AppendEncode(append(texts, `"\\x`...), e.Call), '"')
		}
		err := s.exec(ctx, "insert into call_state select $1, * from unnest($2::bigint[], $3::bytea[]) on conflict (appliance, id) do update set call = excluded.call",
			name, append(ids, '}'), append(texts, '}'))
		if err != nil {
			return err
		}
		put = put[n:]
	}
	if len(b.Gone) == 0 {
		return nil
	}
	ids := []byte{'{'}
	for i, id := range b.Gone {
		if i > 0 {
			ids = append(ids, ',')
		}
		ids = strconv.AppendInt(ids, int64(id), 10)
	}
	return s.exec(ctx, "delete from call_state where appliance = $1 and id = any($2::bigint[])", name, append(ids, '}'))
}

func bytea(b []byte) []byte { return hex.AppendEncode([]byte(`\x`), b) }

func (s *Store) exec(ctx context.Context, sql string, params ...[]byte) error {
	return s.conn.ExecParams(ctx, sql, params, nil, nil, nil).Read().Err
}

// write runs f in a transaction.
func (s *Store) write(ctx context.Context, within time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.do(ctx, within, func() error {
		if err := s.exec(ctx, "begin"); err != nil {
			return err
		}
		if err := f(); err != nil {
			return err
		}
		return s.exec(ctx, "commit")
	})
}

// do connects and runs f. The session that f failed in is ended, and with it what it had begun.
func (s *Store) do(ctx context.Context, within time.Duration, f func() error) error {
	if s.conn == nil || s.conn.IsClosed() {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	limit := strconv.FormatInt((within - serverGrace).Milliseconds(), 10)
	err := s.exec(ctx, "select set_config('statement_timeout', $1, false)", []byte(limit))
	if err == nil {
		err = f()
	}
	if err != nil {
		err = postgres.Explain(ctx, s.Server, err, remedy)
		_ = s.Close()
	}
	return err
}

func (s *Store) connect(ctx context.Context) error {
	var secrets postgres.Secrets
	if s.Secrets != nil {
		var err error
		if secrets, err = s.Secrets(); err != nil {
			return fmt.Errorf("%s: %w", postgres.Where(s.Server), err)
		}
	}
	var err error
	s.conn, err = postgres.Connect(ctx, s.Server, secrets, nil, remedy)
	return err
}

// Close implements persist.Store.
func (s *Store) Close() error {
	if s.conn != nil {
		postgres.Close(context.Background(), s.conn)
		s.conn = nil
	}
	return nil
}

// remedy is what to do about what a server says (PostgreSQL manual, appendix A).
func remedy(code string, d runtime.Database) string {
	switch code {
	case "42P01":
		return ": make the tables call_state and call_state_head there (the README has the statements)"
	case "42703", "42804", "42P10":
		return ": the tables are others than the README has: correct their columns"
	case "42501":
		return fmt.Sprintf(": grant select, insert, update, delete on call_state and call_state_head to user %s", d.User)
	case "25006":
		return ": it takes no writes at the moment: name the primary server"
	case "57014":
		return ": it is too slow: see what it waits for"
	}
	return ""
}
