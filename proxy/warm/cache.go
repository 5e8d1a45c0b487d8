package warm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"trunkline/appliance/runtime"
	"trunkline/proxy/credential"
	"trunkline/proxy/route"
	"trunkline/proxy/warm/postgres"
	"trunkline/proxy/warm/sqlite"
)

// Sources of runtime.Cache.
const (
	sourceFile     = "file"
	sourceSQLite   = "sqlite"
	sourcePostgres = "postgres"
)

// cache is one cache and where its rows come from.
type cache struct {
	runtime.Cache
	source source
	baked  source    // with on_fail "baked"; else nil
	kept   *snapshot // with on_fail "last-good" and somewhere to keep it; else nil
	turn   chan struct{}
	saved  *route.Table // the table that kept has; guarded by turn
}

// newCache resolves what a cache refers to.
func newCache(cfg *runtime.Appliance, in runtime.Cache, stateDir string) (*cache, error) {
	c := &cache{Cache: in, turn: make(chan struct{}, 1)}
	switch {
	case in.Warmup != runtime.WarmupSync && in.Warmup != runtime.WarmupBackground:
		return nil, fmt.Errorf("warmup %q is not supported: use %q or %q", in.Warmup, runtime.WarmupSync, runtime.WarmupBackground)
	case in.Source == sourceFile && in.Path == "":
		return nil, errors.New("no path: name the CSV file")
	case in.Source == sourceFile:
		c.source = file(in.Path)
	default:
		if err := c.database(cfg); err != nil {
			return nil, err
		}
	}
	switch in.OnFail {
	case "", runtime.OnFailRefuse:
	case runtime.OnFailLastGood:
		if stateDir != "" {
			c.kept = &snapshot{dir: stateDir, cache: in.Name, of: identity(in)}
		}
	case runtime.OnFailBaked:
		if in.Source == sourceFile || in.Path == "" {
			return nil, errors.New("on_fail \"baked\" needs a database and the file to start from: name it")
		}
		c.baked = file(in.Path)
	default:
		return nil, fmt.Errorf("on_fail %q is not supported: use %q, %q or %q", in.OnFail, runtime.OnFailRefuse, runtime.OnFailLastGood, runtime.OnFailBaked)
	}
	return c, nil
}

func (c *cache) database(cfg *runtime.Appliance) error {
	for _, d := range cfg.Databases {
		if d.Name != c.Database {
			continue
		}
		switch {
		case d.Engine != c.Source:
			return fmt.Errorf("source is %q, and database %q is %q: name another", c.Source, d.Name, d.Engine)
		case d.Engine == sourcePostgres:
			c.source = server{d, cfg.Secrets, c.Query}
		case d.Engine == sourceSQLite:
			c.source = table{sqlite.Source{File: d, Query: c.Query}}
		default:
			return fmt.Errorf("source %q is not supported: use \"file\", \"sqlite\" or \"postgres\"", c.Source)
		}
		return nil
	}
	if c.Source != sourcePostgres && c.Source != sourceSQLite {
		return fmt.Errorf("source %q is not supported: use \"file\", \"sqlite\" or \"postgres\"", c.Source)
	}
	return fmt.Errorf("there is no database %q", c.Database)
}

// identity says what a table was made of. One that another query gave is no last good one.
func identity(c runtime.Cache) string {
	what := []string{c.Source, c.Database, c.Query}
	if c.Source == sourceFile {
		what = append(what, c.Path)
	}
	sum := sha256.Sum256([]byte(strings.Join(what, "\x00")))
	return hex.EncodeToString(sum[:])
}

// server is a PostgreSQL server as a source. Its secrets are read for each load, so that new
// ones count from then on.
type server struct {
	database runtime.Database
	secrets  []runtime.Secret
	query    string
}

func (s server) rows(ctx context.Context, add adder) error {
	secrets, err := postgres.ReadSecrets(s.database, credential.New(s.secrets))
	if err != nil {
		return fmt.Errorf("database %s: %w", s.database.Name, err)
	}
	from := postgres.Source{Server: s.database, Secrets: secrets, Query: s.query}
	return from.Rows(ctx, add)
}

// table is a query on an SQLite file as a source.
type table struct{ sqlite.Source }

func (t table) rows(ctx context.Context, add adder) error { return t.Rows(ctx, add) }
