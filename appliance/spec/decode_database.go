package spec

import (
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

const (
	// maxBackends is the most connections a PostgreSQL server can be set to
	// (MAX_BACKENDS, 2^18-1).
	maxBackends = 1<<18 - 1
	// maxIdentifier is the length beyond which PostgreSQL cuts a name without a
	// word (NAMEDATALEN-1).
	maxIdentifier = 63
	// databaseDir holds what outlives a boot.
	databaseDir = "/var/lib/"
)

// Attributes of one engine alone.
var (
	postgresAttrs = []string{"address", "database", "user", "password", "tls", "ca", "max_connections", "appliances"}
	sqliteAttrs   = []string{"file"}
)

func (d *decoder) databases(root *section, s *Spec) {
	for _, sec := range root.all("database") {
		x := &Database{
			Name:           sec.name,
			Engine:         sec.oneOf("engine", "", []string{EnginePostgres, EngineSQLite}, nil),
			File:           sec.str("file", ""),
			Pool:           sec.integer("pool", 1, 100, 2),
			MaxConnections: sec.integer("max_connections", 1, maxBackends, 0),
			Appliances:     sec.integer("appliances", 1, 100_000, 0),
			Range:          sec.def,

			AddressRange: sec.rng("address"), PoolRange: sec.rng("pool"), MaxConnectionsRange: sec.rng("max_connections"),
			AppliancesRange: sec.rng("appliances"), FileRange: sec.rng("file"), TLSRange: sec.rng("tls"),
		}
		database, user := sec.str("database", sec.name), sec.str("user", "trunkline")
		tls := sec.oneOf("tls", "require", []string{"require", "verify", "off"}, nil)
		address := d.databaseAddress(sec)
		password, place := sec.secretRef("password")
		x.PasswordRange = place
		ca, place := sec.secretRef("ca")
		x.CARange = place
		switch x.Engine {
		case EnginePostgres:
			x.Address, x.Database, x.User, x.Password, x.TLS, x.CA = address, database, user, password, tls, ca
			if x.Appliances == 0 {
				x.Appliances = max(1, d.appliances)
			}
			d.engineAttrs(sec, x, "address", `address = "10.0.0.21:5432"`, sqliteAttrs)
			if sec.stated("ca") && tls != "verify" {
				d.errorf(sec.attrs["ca"].NameRange, "Authority not used", "ca is the authority that the server's certificate must be of, and with tls = %q no certificate is looked at. Write tls = \"verify\", or remove ca.", tls)
			}
			for _, name := range []string{"database", "user"} {
				if text := sec.str(name, ""); len(text) > maxIdentifier || strings.ContainsFunc(text, isControl) {
					sec.wrong(name, "A name of PostgreSQL has at most 63 bytes, and no control characters.")
				}
			}
		case EngineSQLite:
			x.Appliances = 1
			d.engineAttrs(sec, x, "file", `file = "/var/lib/trunkline/routing.db"`, postgresAttrs)
			d.databaseFile(x)
		}
		s.Databases = append(s.Databases, x)
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// databaseAddress reads the address of a server and gives it with its port.
func (d *decoder) databaseAddress(sec *section) string {
	text := sec.str("address", "")
	if text == "" {
		return ""
	}
	if user, _, has := strings.Cut(text, "@"); has && strings.Contains(user, ":") {
		d.errorf(sec.attrs["address"].SrcRange, "Secret in the spec", "The address holds a user and a password. It is in the repository now: take it out, change it on the server too, and hand the new one to the appliance as a credential. Write address = \"HOST:PORT\", user = \"NAME\" and password = \"NAME\" of a secret block.")
		return ""
	}
	e, ok := d.endpoint("address", text, sec.rng("address"), 5432, true)
	if !ok {
		return ""
	}
	return e.String()
}

// engineAttrs requires one attribute and refuses those of the other engine.
func (d *decoder) engineAttrs(sec *section, x *Database, needed, example string, others []string) {
	if !sec.stated(needed) && !sec.typos[needed] {
		d.errorf(sec.def, "Missing "+needed, "A database of engine %q needs %s. For example: %s", x.Engine, needed, example)
	}
	what := "a file on the appliance: it has no server to reach"
	if x.Engine == EnginePostgres {
		what = "a server: what lies on its disk is its own business"
	}
	for _, name := range others {
		if sec.stated(name) {
			d.errorf(sec.attrs[name].NameRange, "Attribute of another engine", "A database of engine %q is %s. Remove %s, or write the engine that is meant.", x.Engine, what, name)
		}
	}
}

func (d *decoder) databaseFile(x *Database) {
	switch f := x.File; {
	case f == "":
	case !path.IsAbs(f):
		d.errorf(x.FileRange, "Invalid file", "%q is not an absolute path. The file lies on the appliance: write \"/var/lib/trunkline/%s\".", f, path.Base(f))
	case path.Clean(f) != f:
		d.errorf(x.FileRange, "Invalid file", "%q is not the plain path of a file. Write it without \"..\", doubled or closing slashes.", f)
	case !strings.HasPrefix(f, databaseDir):
		d.errorf(x.FileRange, "File is not kept", "Of what is written on the appliance, %s alone outlives a boot; %q would be gone. Write a path below it, for example \"/var/lib/trunkline/%s\".", databaseDir, f, path.Base(f))
	}
}

// checkDatabases fills who uses each database, and compares addresses and secrets.
// References from caches and calls are checked where these are.
func (d *decoder) checkDatabases(s *Spec) {
	for _, x := range s.Databases {
		x.Pools = poolsOf(s, x.Name)
		d.checkSecret(s, "database \""+x.Name+"\"", "password", x.Password, x.PasswordRange)
		d.checkSecret(s, "database \""+x.Name+"\"", "ca", x.CA, x.CARange)
		e, ok := splitEndpoint(x.Address)
		if !ok {
			continue
		}
		d.checkPeer(s, e.addr, x.AddressRange, "database")
		d.checkResolvable(s, e.host, x.AddressRange)
		if x.TLS == "off" && !e.addr.IsLoopback() {
			d.warnf(x.TLSRange, "Database without TLS", "Whoever is on the way to %s reads and changes what the appliance asks and gets, the password included. Write tls = \"require\", or \"verify\" to check the server's certificate as well.", x.Address)
		}
	}
}

// poolsOf lists what has connections of its own to a database.
func poolsOf(s *Spec, name string) []string {
	var out []string
	for _, c := range s.Caches {
		if c.Database == name {
			out = append(out, "cache "+c.Name)
		}
	}
	if p := s.State.Persistence; p != nil && p.Database == name {
		out = append(out, "calls")
	}
	if c := s.Control.CDR; c != nil && c.Database == name {
		out = append(out, "cdr")
	}
	if x := s.Sockets; x != nil && x.Database == name {
		out = append(out, "sockets")
	}
	slices.Sort(out)
	return out
}

// checkDatabaseRef reports a database nobody declared.
func (d *decoder) checkDatabaseRef(s *Spec, owner, name string, place hcl.Range) {
	if name == "" || d.isBroken("database", name) {
		return
	}
	var names []string
	for _, x := range s.Databases {
		if x.Name == name {
			return
		}
		names = append(names, x.Name)
	}
	d.errorf(place, "Unknown database", "The %s names database %q. %s", owner, name, didYouMean(name, names, "database"))
}

// checkUnusedDatabases warns of those nothing names, as of unused dispatchers.
func (d *decoder) checkUnusedDatabases(s *Spec) {
	for _, x := range s.Databases {
		if len(x.Pools) == 0 {
			d.warnf(x.Range, "Database not used", "No cache, no sockets block, no call records and no persistence use database %q. Name it in one of these, or remove it.", x.Name)
		}
	}
}
