// Package postgres reads the rows of a cache from a PostgreSQL server.
//
// It promises that rows are taken as they come, so that memory does not grow with the table;
// that nothing is written (the session is read only); that the context bounds all of it, on
// the server too; that nothing of the environment, of password files or service files is used;
// and that an error says what the server said, why, and what to do, and never a password.
package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/appliance/runtime"
)

// Values of TLS in runtime.Database.
const (
	tlsOff     = "off"
	tlsVerify  = "verify"
	tlsRequire = "require"
)

// maxMessage bounds a message of the server, bytes: a row of a cache is far below.
const maxMessage = 1 << 20

// name is what the server shows of us in pg_stat_activity.
const name = "trunkline"

// closeWithin bounds the farewell, for which nobody waits.
const closeWithin = time.Second

// serverGrace is how much longer than the context the server may work: what is said of a load
// that takes too long is the context's word.
const serverGrace = time.Second

// Source is a query on a server.
type Source struct {
	Server  runtime.Database
	Secrets Secrets
	Query   string
}

// Rows asks the server and calls row with the two columns of each row, as text. They may be
// reused when row returns.
func (s Source) Rows(ctx context.Context, row func(prefix, set []byte) error) error {
	where := Where(s.Server)
	params := map[string]string{"default_transaction_read_only": "on"}
	if end, ok := ctx.Deadline(); ok {
		// The server must not work on for a client that has given up, and knows of the context.
		params["statement_timeout"] = strconv.FormatInt(max(time.Until(end)+serverGrace, serverGrace).Milliseconds(), 10)
	}
	conn, err := Connect(ctx, s.Server, s.Secrets, params, remedy)
	if err != nil {
		return err
	}
	defer Close(ctx, conn) // what was read is read
	n, err := s.read(ctx, conn, row)
	var bad badRow
	switch {
	case errors.As(err, &bad):
		return fmt.Errorf("%s: row %d of the answer: %w", where, n, bad.error)
	case err != nil:
		return Explain(ctx, s.Server, err, remedy)
	}
	return nil
}

// badRow is an error of a row, not of the server.
type badRow struct{ error }

// read gives the number of the row it ended at.
func (s Source) read(ctx context.Context, conn *pgconn.PgConn, row func(prefix, set []byte) error) (n int, err error) {
	r := conn.ExecParams(ctx, s.Query, nil, nil, nil, nil) // no parameters; one statement; text
	for r.NextRow() {
		n++
		v := r.Values()
		switch {
		case len(v) != 2:
			err = fmt.Errorf("the query gives %d columns, and a row of a cache has two: write the column with the prefix, then the one with the dispatcher set", len(v))
		case v[0] == nil:
			err = errors.New("the prefix is NULL: correct the row, or leave it out with a where clause")
		case v[1] == nil:
			err = fmt.Errorf("prefix %q: the dispatcher set is NULL: correct the row, or leave it out with a where clause", v[0])
		default:
			err = row(v[0], v[1])
		}
		if err != nil {
			// Closing the result would read what is left of it. Closing the connection does not.
			_ = conn.Conn().Close()
			return n, badRow{err}
		}
	}
	_, err = r.Close()
	return n, err
}

// Where names a database in messages.
func Where(d runtime.Database) string { return fmt.Sprintf("database %s (%s)", d.Name, d.Address) }

// Connect begins a session with these parameters beside our own. Its errors are those of
// Explain.
func Connect(ctx context.Context, d runtime.Database, secrets Secrets, params map[string]string, remedy Remedy) (*pgconn.PgConn, error) {
	cfg, err := config(d, secrets)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Where(d), err)
	}
	maps.Copy(cfg.RuntimeParams, params)
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, Explain(ctx, d, err, remedy)
	}
	return conn, nil
}

// Close ends a session; it does not wait long for the server to say farewell.
func Close(ctx context.Context, conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	_ = conn.Close(ctx)
}

// config is how the server is reached. pgconn takes defaults from the environment and from
// files of the user; all that matters is stated here.
func config(d runtime.Database, secrets Secrets) (*pgconn.Config, error) {
	host, port, err := net.SplitHostPort(d.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: write HOST:PORT", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q: write a number", port)
	}
	cfg, err := pgconn.ParseConfig("host=localhost port=5432 user=x password=x dbname=x sslmode=disable passfile=/dev/null servicefile=/dev/null")
	if err != nil {
		return nil, err
	}
	cfg.Host, cfg.Port, cfg.Database, cfg.User, cfg.Password = host, uint16(number), d.Database, d.User, string(secrets.Password)
	cfg.Fallbacks, cfg.ConnectTimeout, cfg.MaxProtocolMessageBodyLen = nil, 0, maxMessage
	cfg.ValidateConnect, cfg.AfterConnect = nil, nil
	cfg.RuntimeParams = map[string]string{"application_name": name, "client_encoding": "UTF8"}
	switch d.TLS {
	case tlsOff:
	case tlsVerify:
		roots, err := secrets.roots()
		if err != nil {
			return nil, err
		}
		cfg.TLSConfig = &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}
	case tlsRequire, "":
		cfg.TLSConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} // as the spec says: whatever the certificate
	default:
		return nil, fmt.Errorf("tls %q: write require, verify or off", d.TLS)
	}
	return cfg, nil
}
