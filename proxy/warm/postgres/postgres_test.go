package postgres_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/warm/postgres"
	"trunkline/proxy/warm/postgres/postgrestest"
)

// read is the rows of a query, "prefix=set".
func read(ctx context.Context, d runtime.Database, query string) (rows []string, err error) {
	return readWith(ctx, d, postgres.Secrets{Password: []byte(postgrestest.Password)}, query)
}

func readWith(ctx context.Context, d runtime.Database, secrets postgres.Secrets, query string) (rows []string, err error) {
	s := postgres.Source{Server: d, Secrets: secrets, Query: query}
	err = s.Rows(ctx, func(prefix, set []byte) error {
		rows = append(rows, string(prefix)+"="+string(set))
		if string(set) == "wrong" {
			return errors.New("that is wrong")
		}
		return nil
	})
	return rows, err
}

// One server, for a start takes seconds: it has a certificate, and is killed last.
func TestServer(t *testing.T) {
	cert, key := selfSigned(t)
	server := postgrestest.New(t, "ssl=on", "ssl_cert_file="+cert, "ssl_key_file="+key)
	server.Exec(`create table routes (prefix text, carrier text);
		insert into routes values ('+49','core'),('+43','over flow'),('Ü','x');
		create table numbers (prefix bigint, carrier char(10)); insert into numbers values (49, 'core');
		create table holes (prefix text, carrier text); insert into holes values ('1','core'),(null,'core');
		create table gaps (prefix text, carrier text); insert into gaps values ('1','core'),('2',null);
		create table bad (prefix text, carrier text); insert into bad select i::text, case when i = 70000 then 'wrong' else 'core' end from generate_series(1, 200000) i;
		create role reader login password 'other';`)
	d := server.Database()
	with := func(change func(*runtime.Database)) runtime.Database {
		d := server.Database()
		change(&d)
		return d
	}
	t.Setenv("PGHOST", "192.0.2.1")
	t.Setenv("PGSSLMODE", "verify-full")
	t.Setenv("PGOPTIONS", "-c nonsense=1")
	t.Setenv("PGDATABASE", "elsewhere")

	for _, tt := range []struct {
		name  string
		d     runtime.Database
		query string
		rows  string // the first
		want  string // the error
	}{
		{"rows", d, "select prefix, carrier from routes order by carrier", "[+49=core +43=over flow Ü=x]", ""},
		{"no rows", d, "select prefix, carrier from routes where false", "[]", ""},
		{"other types", d, "select prefix, carrier from numbers", "[49=core      ]", ""},
		{"TLS", with(func(d *runtime.Database) { d.TLS = "require" }), "select 'tls', ssl::text from pg_stat_ssl where pid = pg_backend_pid()", "[tls=true]", ""},
		{"no TLS", d, "select 'tls', ssl::text from pg_stat_ssl where pid = pg_backend_pid()", "[tls=false]", ""},
		{"TLS that is verified", with(func(d *runtime.Database) { d.TLS = "verify" }), "select 1, 2", "[]", "its certificate is not trusted"},
		{"whom the server sees", d, "select application_name, current_setting('default_transaction_read_only') from pg_stat_activity where pid = pg_backend_pid()", "[trunkline=on]", ""},
		{"no timeout", d, "select 'statement_timeout', current_setting('statement_timeout')", "[statement_timeout=0]", ""},
		{"no prefix", d, "select prefix, carrier from holes order by prefix nulls last", "[1=core]", "row 2 of the answer: the prefix is NULL"},
		{"no set", d, "select prefix, carrier from gaps order by 1", "[1=core]", `row 2 of the answer: prefix "2": the dispatcher set is NULL`},
		{"three columns", d, "select 1, 2, 3", "[]", "gives 3 columns"},
		{"two statements", d, "select 1, 2; select 3, 4", "[]", "SQLSTATE 42601): correct the cache's query"},
		{"no table", d, "select prefix, carrier from roads", "[]", `the server says: relation "roads" does not exist (SQLSTATE 42P01): correct the cache's query`},
		{"not allowed", with(func(d *runtime.Database) { d.User = "reader" }), "select prefix, carrier from routes", "[]", "correct user or password of database routing"},
		{"writes", d, "with x as (delete from routes returning prefix, carrier) select prefix, carrier from x", "[]", "the query must not write"},
		{"no such user", with(func(d *runtime.Database) { d.User = "nobody" }), "select 1, 2", "[]", "correct user or password"},
		{"no such database", with(func(d *runtime.Database) { d.Database = "nothing" }), "select 1, 2", "[]", "correct the name of the database"},
		{"nobody listens", with(func(d *runtime.Database) { d.Address = "127.0.0.1:1" }), "select 1, 2", "[]", "database routing (127.0.0.1:1): nothing listens there: start the server, or correct address"},
		{"no address", with(func(d *runtime.Database) { d.Address = "127.0.0.1" }), "select 1, 2", "[]", "write HOST:PORT"},
		{"no such tls", with(func(d *runtime.Database) { d.TLS = "maybe" }), "select 1, 2", "[]", "write require, verify or off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := read(context.Background(), tt.d, tt.query)
			if got := fmt.Sprint(rows); got != tt.rows {
				t.Errorf("%s, want %s", got, tt.rows)
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "quote") || !strings.HasPrefix(err.Error(), "database routing (")) {
				t.Errorf("the error tells the password, or does not tell the place: %v", err)
			}
		})
	}

	t.Run("authority", func(t *testing.T) {
		own, err := os.ReadFile(cert)
		if err != nil {
			t.Fatal(err)
		}
		otherCert, _ := selfSigned(t)
		other, err := os.ReadFile(otherCert)
		if err != nil {
			t.Fatal(err)
		}
		const ssl = "select 'tls', ssl::text from pg_stat_ssl where pid = pg_backend_pid()"
		_, port, _ := net.SplitHostPort(d.Address)
		for _, c := range []struct {
			name    string
			ca      []byte
			address string
			want    string // the error
		}{
			{"the server's", own, d.Address, ""},
			{"the server's among others", append(bytes.Clone(other), own...), d.Address, ""},
			{"another", other, d.Address, "its certificate is not trusted"},
			{"of another name", own, "localhost:" + port, "or pass that of the server's authority as this secret"},
			{"no certificate", []byte("hello"), d.Address, "the secret of ca holds no certificate in PEM"},
		} {
			x := with(func(d *runtime.Database) { d.TLS, d.CA, d.Address = "verify", "db-ca", c.address })
			rows, err := readWith(context.Background(), x, postgres.Secrets{Password: []byte(postgrestest.Password), CA: c.ca}, ssl)
			if c.want == "" && (err != nil || fmt.Sprint(rows) != "[tls=true]") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %v, %v, want %q", c.name, rows, err, c.want)
			}
		}
	})
	t.Run("wrong row", func(t *testing.T) {
		rows, err := read(context.Background(), d, "select prefix, carrier from bad order by prefix::int")
		if len(rows) != 70_000 || err == nil || !strings.Contains(err.Error(), "row 70000 of the answer: that is wrong") {
			t.Errorf("%d rows, %v", len(rows), err)
		}
	})
	t.Run("slow", func(t *testing.T) {
		cause := errors.New("that took too long")
		ctx, cancel := context.WithTimeoutCause(context.Background(), 300*time.Millisecond, cause)
		defer cancel()
		if _, err := read(ctx, d, "select pg_sleep(3600)::text, 'core'"); !errors.Is(err, cause) {
			t.Errorf("%v", err)
		}
		// The server gives up as well.
		for deadline := time.Now().Add(30 * time.Second); server.Value("select count(*) from pg_stat_activity where query like '%pg_sleep(3600)%' and pid <> pg_backend_pid() and state = 'active'") != "0"; {
			if time.Now().After(deadline) {
				t.Fatal("the server works on for a client that has gone")
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	t.Run("silent", func(t *testing.T) { // something listens that says nothing
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ctx, cancel := context.WithTimeoutCause(context.Background(), 100*time.Millisecond, errors.New("too late"))
		defer cancel()
		if _, err := read(ctx, with(func(d *runtime.Database) { d.Address = l.Addr().String() }), "select 1, 2"); err == nil || !strings.Contains(err.Error(), "too late") {
			t.Errorf("%v", err)
		}
	})
	t.Run("dies", func(t *testing.T) {
		n := 0
		s := postgres.Source{Server: d, Secrets: postgres.Secrets{Password: []byte(postgrestest.Password)}, Query: "select i::text, repeat('x', 100) from generate_series(1, 5000000) i"}
		err := s.Rows(context.Background(), func(_, _ []byte) error {
			if n++; n == 1000 {
				server.Kill()
			}
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "database routing (") || n < 1000 || n == 5_000_000 {
			t.Errorf("%v after %d rows", err, n)
		}
		t.Log(err)
	})
}

// selfSigned writes a certificate of nobody's authority that the server may read.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgcert")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "db"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: b}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		postgrestest.Own(t, path)
	}
	return cert, key
}
