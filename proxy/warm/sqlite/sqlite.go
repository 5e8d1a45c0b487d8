// Package sqlite reads the rows of a cache from an SQLite file.
//
// It promises that rows are taken as they come, from one state of the file whoever writes to
// it meanwhile; that nothing is written; that the context bounds all of it; and that an error
// names the file, why, and what to do.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	driver "modernc.org/sqlite" // registers "sqlite"

	"trunkline/appliance/runtime"
)

// busyWithin is how long a file that is being written is waited for.
const busyWithin = 5 * time.Second

// Source is a query on a file.
type Source struct {
	File  runtime.Database
	Query string
}

// Rows asks the file and calls row with the two columns of each row, as text. They may be
// reused when row returns.
func (s Source) Rows(ctx context.Context, row func(prefix, set []byte) error) error {
	where := fmt.Sprintf("database %s (%s)", s.File.Name, s.File.File)
	switch st, err := os.Stat(s.File.File); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such file: put it there, or correct file of the database", where)
	case err != nil:
		return fmt.Errorf("%s: %w", where, err)
	case st.IsDir():
		return fmt.Errorf("%s is a directory: name an SQLite file", where)
	}
	db, err := sql.Open("sqlite", s.name())
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	n, err := s.read(ctx, db, row)
	var bad badRow
	switch {
	case errors.As(err, &bad):
		return fmt.Errorf("%s: row %d of the answer: %w", where, n, bad.error)
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%s: %w", where, context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("%s: %w%s", where, err, remedy(err))
	}
	return nil
}

// name is the file as a URI (sqlite.org/uri.html), read only.
func (s Source) name() string {
	u := url.URL{Scheme: "file", Path: s.File.File, RawQuery: url.Values{
		"mode":    {"ro"},
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyWithin.Milliseconds()), "query_only(1)"},
	}.Encode()}
	return u.String()
}

// badRow is an error of a row, not of the file.
type badRow struct{ error }

// read gives the number of the row it ended at.
func (s Source) read(ctx context.Context, db *sql.DB, row func(prefix, set []byte) error) (n int, err error) {
	rows, err := db.QueryContext(ctx, s.Query)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	if len(columns) != 2 {
		return 0, fmt.Errorf("the query gives %d columns, and a row of a cache has two: write the column with the prefix, then the one with the dispatcher set", len(columns))
	}
	var prefix, set sql.RawBytes
	for rows.Next() {
		n++
		if err := rows.Scan(&prefix, &set); err != nil {
			return n, badRow{err}
		}
		switch {
		case prefix == nil:
			err = errors.New("the prefix is NULL: correct the row, or leave it out with a where clause")
		case set == nil:
			err = fmt.Errorf("prefix %q: the dispatcher set is NULL: correct the row, or leave it out with a where clause", prefix)
		default:
			err = row(prefix, set)
		}
		if err != nil {
			return n, badRow{err}
		}
	}
	return n, rows.Err()
}

// Primary result codes (sqlite.org/rescode.html).
const (
	codeError    = 1
	codeBusy     = 5
	codeReadOnly = 8
	codeCorrupt  = 11
	codeCantOpen = 14
	codeNotADB   = 26
)

func remedy(err error) string {
	var e *driver.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Code() & 0xff {
	case codeBusy:
		return ": another program writes to it without end: let it finish"
	case codeReadOnly, codeCantOpen:
		return ": let the user sbcd runs as read it; a file in WAL mode needs its -shm file beside it: set journal_mode to delete before it is copied here"
	case codeNotADB:
		return ": name an SQLite file"
	case codeCorrupt:
		return ": put a sound copy there"
	case codeError:
		if strings.Contains(e.Error(), "no such") || strings.Contains(e.Error(), "syntax error") {
			return ": correct the cache's query"
		}
	}
	return ""
}
