package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/appliance/runtime"
)

// Remedy is what to do about what a server says, by its SQLSTATE; empty: nothing is known.
type Remedy = func(code string, d runtime.Database) string

// Explain says what went wrong with the server, and what to do. Of what the server itself says,
// remedy is asked first.
func Explain(ctx context.Context, d runtime.Database, err error, remedy Remedy) error {
	where := Where(d)
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", where, context.Cause(ctx))
	}
	var told *pgconn.PgError
	if errors.As(err, &told) {
		return fmt.Errorf("%s: the server says: %s (SQLSTATE %s)%s", where, strings.TrimSpace(told.Message), told.Code, cmp.Or(remedy(told.Code, d), known(told.Code, d)))
	}
	var dns *net.DNSError
	var op *net.OpError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns):
		return fmt.Errorf("%s: %s is not found: correct address, or see whether the name servers in hardware.dns answer", where, dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: nothing listens there: start the server, or correct address", where)
	case errors.As(err, &authority), errors.As(err, &name), errors.As(err, &verify):
		if d.CA != "" {
			return fmt.Errorf("%s: its certificate is not trusted: %w: give the server one for this name of the authority in secret %s, or pass that of the server's authority as this secret", where, cause(err), d.CA)
		}
		return fmt.Errorf("%s: its certificate is not trusted: %w: name the secret with its authority as ca, give the server one of a known authority for this name, or write tls = \"require\" to take any", where, cause(err))
	case strings.Contains(err.Error(), "server refused TLS"):
		return fmt.Errorf("%s: the server has no TLS: switch it on there (ssl = on), or write tls = \"off\"", where)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%s: the connection ended: see why the server went away", where)
	case errors.As(err, &op):
		return fmt.Errorf("%s: %w: see whether the server can be reached from here", where, op)
	}
	return fmt.Errorf("%s: %w", where, cause(err))
}

// cause leaves out what the library says about user and database, which the message names.
func cause(err error) error {
	var c *pgconn.ConnectError
	if errors.As(err, &c) && c.Unwrap() != nil {
		return c.Unwrap()
	}
	return err
}

// remedy is what to do about what a server says of a cache's query (PostgreSQL manual, appendix A).
func remedy(code string, d runtime.Database) string {
	switch code {
	case "42501":
		return fmt.Sprintf(": grant select on the table to user %s", d.User)
	case "42P01", "42703", "42601", "42883":
		return ": correct the cache's query"
	case "57014":
		return ": raise the cache's timeout, or see why the query is slow"
	case "25006":
		return ": the query must not write"
	}
	return ""
}

// known is what to do about what a server says whatever it was asked.
func known(code string, d runtime.Database) string {
	switch code {
	case "28P01", "28000":
		return fmt.Sprintf(": correct user or password of database %s, and the server's pg_hba.conf", d.Name)
	case "3D000":
		return ": correct the name of the database"
	case "53300":
		return ": raise max_connections of the server, or lower pool"
	case "57P01", "57P02", "57P03":
		return ": the server starts or stops, and is asked again"
	}
	return ""
}
