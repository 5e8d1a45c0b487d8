package spec

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Later stages point at lines: the ranges of services are those of their values.
func TestServiceRanges(t *testing.T) {
	s, diags, files := Load("testdata/good/services", Options{})
	if diags.HasErrors() {
		t.Fatalf("%s", render(t, files, diags))
	}
	far, here, db, c, u := s.Media.Instances[0], s.Media.Instances[1], s.Databases[0], s.Control, s.Update
	for _, row := range []struct {
		name, want string
		rng        hcl.Range
	}{
		{"media", `media`, s.Media.Range},
		{"on_fail", `"reject"`, s.Media.OnFailRange},
		{"instance", `instance "far"`, far.Range},
		{"control socket", `"[2001:db8:9::31]:2224"`, far.ControlRanges[1]},
		{"media address", `"2001:db8::11"`, here.AddressRanges[1]},
		{"ports", `"20000-29999"`, here.PortsRange},
		{"max_sessions", `20000`, far.MaxSessionsRange},
		{"max_sessions of none", `instance "plain"`, s.Media.Instances[2].MaxSessionsRange},
		{"database address", `"sql.example.net"`, db.AddressRange},
		{"password", `password        = "routing-password"`, db.PasswordRange},
		{"max_connections", `200`, db.MaxConnectionsRange},
		{"tls", `"verify"`, db.TLSRange},
		{"sockets database", `"panel"`, s.Sockets.DatabaseRange},
		{"sockets nic", `"wan"`, s.Sockets.NICRanges[0]},
		{"control address", `"[2001:db8:9::10]:9443"`, c.AddressRange},
		{"metrics", `metrics`, c.Metrics.Range},
		{"hep address", `"10.0.9.60:9063"`, c.HEP.AddressRange},
		{"cdr database", `"calls"`, c.CDR.DatabaseRange},
		{"url", `"https://updates.example.net:8443/edge/"`, u.URLRange},
		{"ca", `"update-ca.pem"`, u.CARange},
		{"window", `"23:30-01:15"`, u.WindowRange},
		{"credential", `"edge-vie1.cert"`, s.Secrets[0].CredentialRange},
	} {
		f := files[row.rng.Filename]
		if f == nil {
			t.Errorf("%s: no file %q", row.name, row.rng.Filename)
			continue
		}
		if got := string(row.rng.SliceBytes(f.Bytes)); got != row.want {
			t.Errorf("%s: range holds %q, want %q", row.name, got, row.want)
		}
	}
	cert, err := x509.ParseCertificate(u.Certificate)
	if err != nil || cert.Subject.CommonName != "Images of example.net" {
		t.Errorf("certificate of the signer: %v, %v", cert, err)
	}
}

// What is not run yet is told once, by block, and nothing within it again.
func TestServicesAreNotBuilt(t *testing.T) {
	s, _, _ := Load("testdata/good/services", Options{})
	var got []string
	for _, n := range s.NotBuilt {
		got = append(got, n.What)
	}
	for _, want := range []string{"sockets", "control: address", "control metrics"} {
		if n := len(got) - len(slices.DeleteFunc(slices.Clone(got), func(w string) bool { return w == want })); n != 1 {
			t.Errorf("%s stands %d times in %q", want, n, got)
		}
	}
	if i := slices.IndexFunc(got, func(w string) bool {
		return strings.Contains(w, "metrics:") || strings.Contains(w, "cdr")
	}); i >= 0 {
		t.Errorf("%s is built, or within a block that is not", got[i])
	}
}

// fleetWith is a directory of appliances with one more block.
func fleetWith(appliances, block string) fstest.MapFS {
	text := strings.Replace(described, "appliance \"edge\" {\n}\n", appliances, 1) + block
	return fstest.MapFS{
		"main.hcl":     {Data: []byte(text)},
		"carriers.csv": {Data: []byte("+49,core\n")},
	}
}

// A server takes connections of every appliance of the directory, however these
// are written and whichever is asked for.
func TestAppliancesOfADatabase(t *testing.T) {
	const block = `
database "shared" {
  engine  = "postgres"
  address = "10.0.0.22"
}
database "stated" {
  engine     = "postgres"
  address    = "10.0.0.23"
  appliances = 40
}
`
	for _, c := range []struct {
		name, appliances string
		pick             string
		want             int
	}{
		{"one", "appliance \"a\" {}\n", "", 1},
		{"blocks", "appliance \"a\" {}\nappliance \"b\" {}\nappliance \"c\" {}\n", "", 3},
		{"one of several", "appliance \"a\" {}\nappliance \"b\" {}\n", "b", 2},
		{"made ones", "dynamic \"appliance\" {\n  for_each = range(5)\n  labels = [\"edge-${appliance.value}\"]\n  content {}\n}\n", "edge-3", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fleetWith(c.appliances, block)
			m["update-signer.pem"] = &fstest.MapFile{Data: signer(t)}
			specs, diags, files := LoadFleetFS(m, "", Options{Appliance: c.pick})
			if diags.HasErrors() {
				t.Fatalf("%s", render(t, files, diags))
			}
			for _, s := range specs {
				got := map[string]int{}
				for _, d := range s.Databases {
					got[d.Name] = d.Appliances
				}
				if got["shared"] != c.want || got["stated"] != 40 || got["panel"] != 1 {
					t.Errorf("%s: %v, want %d", s.Appliance.Name, got, c.want)
				}
			}
		})
	}
}

// A secret that came into a spec by mistake, through a variable, is not shown.
func TestSecretsAreNotShown(t *testing.T) {
	const value = "correct-horse-battery-staple"
	for _, attr := range []string{"database.password", "control.key", "control.certificate", "control.client_ca"} {
		t.Run(attr, func(t *testing.T) {
			text := string(with(t, attr, "var.secret")) + "variable \"secret\" {}\n"
			m := fstest.MapFS{
				"main.hcl": {Data: []byte(text)}, "carriers.csv": {Data: []byte("+49,core\n")}, "update-signer.pem": {Data: signer(t)},
			}
			env := func(name string) string {
				if name == VariablePrefix+"secret" {
					return value
				}
				return ""
			}
			_, diags, files := LoadFS(m, "", Options{Getenv: env})
			if !diags.HasErrors() {
				t.Fatal("accepted")
			}
			var asJSON bytes.Buffer
			if err := WriteDiagnosticsJSON(&asJSON, files, diags); err != nil {
				t.Fatal(err)
			}
			for _, out := range []string{string(render(t, files, diags)), asJSON.String()} {
				if attr == "database.password" && strings.Contains(out, value) {
					t.Errorf("the value is shown:\n%s", out)
				}
				if strings.Contains(out, "with var.secret") || strings.Contains(out, `"statement"`) {
					t.Errorf("the variable is shown:\n%s", out)
				}
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	for _, c := range []struct{ text, want, wrong string }{
		{"10.0.0.21", "10.0.0.21:5432", ""},
		{"10.0.0.21:1", "10.0.0.21:1", ""},
		{"2001:db8::21", "[2001:db8::21]:5432", ""},
		{"[2001:db8::21]", "[2001:db8::21]:5432", ""},
		{"[2001:db8::21]:65535", "[2001:db8::21]:65535", ""},
		{"::1", "[::1]:5432", ""},
		{"sql.example.net", "sql.example.net:5432", ""},
		{"sql.example.net:6432", "sql.example.net:6432", ""},
		{"sql:6432", "sql:6432", ""},
		{"sql:65536", "", "not a port"},
		{"sql:-1", "", "not a port"},
		{"sql:", "", "ends in a colon"},
		{"10.0.0.256", "", "neither an address nor a name"},
		{"-sql", "", "neither an address nor a name"},
		{"[sql]:5432", "", "in brackets"},
		{"[2001:db8::21]5432", "", "in brackets"},
		{"2001:db8::21::5432", "", "neither"},
		{"LOCALHOST", "", "127.0.0.1 or ::1"},
		{"fe80::1%eth0", "", "zone"},
		{"fe80::1", "", "routed"},
		{"::", "", "every address"},
		{"tcp:10.0.0.21", "", "Write \"10.0.0.21\""},
		{"https://sql", "", "URL"},
		{"10.0.0.0/8", "", "prefix length"},
	} {
		d := newDecoder(newSource(nil, ""), Options{})
		e, ok := d.endpoint("address", c.text, hcl.Range{}, 5432, true)
		switch {
		case ok != (c.wrong == ""):
			t.Errorf("%s: %v, %v", c.text, e, d.diags)
		case ok:
			if e.String() != c.want {
				t.Errorf("%s: %s, want %s", c.text, e, c.want)
			}
			if again, ok := splitEndpoint(e.String()); !ok || again != e {
				t.Errorf("%s: taken apart to %+v", e, again)
			}
		case len(d.diags) != 1 || !strings.Contains(d.diags[0].Detail, c.wrong):
			t.Errorf("%s: %v, want %q", c.text, d.diags, c.wrong)
		}
	}
}

func TestTimeOfDay(t *testing.T) {
	for h := range 24 {
		for m := range 60 {
			text := fmt.Sprintf("%02d:%02d", h, m)
			want := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
			if got, ok := timeOfDay(text); !ok || got != want {
				t.Fatalf("%s: %v, %v", text, got, ok)
			}
		}
	}
	for _, text := range []string{"", "24:00", "00:60", "0:00", "00:0", "00.00", "+1:00", "-1:00", "01:+1", "00:00:00", " 1:00"} {
		if got, ok := timeOfDay(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// An address is not judged by NICs that could not be read: one mistake, one
// diagnostic.
func TestPeersBesideWrongHardware(t *testing.T) {
	text := strings.Replace(described, `gateway   = "203.0.113.1"`, `gateway   = "203.0.113.300"`, 1)
	m := fstest.MapFS{"main.hcl": {Data: []byte(text)}, "carriers.csv": {Data: []byte("+49,core\n")}, "update-signer.pem": {Data: signer(t)}}
	_, diags, files := LoadFS(m, "", Options{})
	if n := len(diags.Errs()); n != 1 {
		t.Errorf("%d diagnostics:\n%s", n, render(t, files, diags))
	}
}

// servicesHold checks what is promised of a Spec without errors.
func servicesHold(t *testing.T, s *Spec) {
	t.Helper()
	secrets, databases := map[string]bool{"": true}, map[string]bool{"": true}
	for _, x := range s.Secrets {
		secrets[x.Name] = true
		if !credentialRule.MatchString(x.Credential) {
			t.Fatalf("secret %+v", x)
		}
	}
	for _, x := range s.Databases {
		databases[x.Name] = true
		if (x.Engine == EnginePostgres) == (x.Address == "") || (x.Engine == EngineSQLite) == (x.File == "") || x.Pool < 1 || x.Appliances < 1 || !secrets[x.Password] {
			t.Fatalf("database %+v", x)
		}
	}
	if m := s.Media; m != nil {
		if len(m.Instances) == 0 {
			t.Fatal("media without an instance")
		}
		for _, x := range m.Instances {
			if len(x.Control) == 0 || x.Local != x.Control[0].Addr().IsLoopback() || x.Local == (len(x.Addresses) == 0) || x.Local == (x.PortLast == 0) || x.Weight < 1 {
				t.Fatalf("instance %+v", x)
			}
			if x.Local && (x.PortFirst%2 != 0 || portsOfCall*x.MaxSessions > x.PortLast-x.PortFirst+1) {
				t.Fatalf("ports of instance %+v", x)
			}
		}
	}
	if x := s.Sockets; x != nil && (!databases[x.Database] || x.Database == "" || len(x.Sources) == 0 || len(s.Listeners)+x.MaxSockets > MaxListeners) {
		t.Fatalf("sockets %+v", x)
	}
	c := s.Control
	if c.Address.IsValid() && (c.NIC == "" || len(c.Sources) == 0 || c.Certificate == "" || c.Key == "") || c.LogLevel == "" {
		t.Fatalf("control %+v", c)
	}
	if !secrets[c.Certificate] || !secrets[c.Key] || !secrets[c.ClientCA] {
		t.Fatalf("secrets of control %+v", c)
	}
	if r := c.CDR; r != nil && (!databases[r.Database] || (r.To == "database") == (r.Database == "")) {
		t.Fatalf("call records %+v", r)
	}
	if u := s.Update; u != nil && (!strings.HasPrefix(strings.ToLower(u.URL), "https://") || len(u.Certificate) == 0 || (u.Reboot == RebootWindow) == (u.Window == nil)) {
		t.Fatalf("update %+v", u)
	}
}

func TestServicesHold(t *testing.T) {
	for _, dir := range specDirs(t, "testdata/good/*") {
		specs, diags, files := loadCase(t, dir)
		if diags.HasErrors() {
			t.Fatalf("%s", render(t, files, diags))
		}
		for _, s := range specs {
			servicesHold(t, s)
		}
	}
}

// Whatever an attribute is set to, there is a Spec that holds its promises, or an
// error, and never both.
func TestServicesTakeAnyValue(t *testing.T) {
	values := []string{
		"null", "true", "0", "-1", "1e400", `""`, `"x"`, `"\u0000"`, `"[::1]"`, `"127.0.0.1:1"`, `"0.0.0.0/0"`, `"1-2"`, `"https://x/"`,
		"[]", "[null]", "[1]", `["x"]`, `[["x"]]`, `["127.0.0.1:2300", "127.0.0.1:2300"]`, "{}", "{ x = null }", `{ socket = null }`,
	}
	tried := 0
	var walk func(b *blockSchema, path string)
	walk = func(b *blockSchema, path string) {
		for _, a := range b.attrs {
			for _, v := range append(values, a.example) {
				tried++
				s, diags := loadWith(t, join(path, a.name), v)
				if (s == nil) != diags.HasErrors() {
					t.Errorf("%s = %s: a Spec beside errors, or neither: %v", join(path, a.name), v, diags)
				}
				if s != nil {
					servicesHold(t, s)
				}
			}
		}
		for i := range b.blocks {
			walk(&b.blocks[i], join(path, b.blocks[i].typ))
		}
	}
	for i := range rootSchema.blocks {
		switch b := &rootSchema.blocks[i]; b.typ {
		case "media", "database", "sockets", "control", "update", "secret":
			walk(b, b.typ)
		}
	}
	if tried < 500 {
		t.Errorf("%d values tried", tried)
	}
}
