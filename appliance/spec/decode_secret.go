package spec

import (
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// credentialRule is what systemd takes as the name of a credential and what needs
// no quoting in ImportCredential= (systemd.exec(5)): a file name without a colon or glob.
var credentialRule = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,255}$`)

func (d *decoder) secrets(root *section, s *Spec) {
	for _, sec := range root.all("secret") {
		x := &Secret{
			Name:            sec.name,
			From:            sec.oneOf("from", "credential", []string{"credential"}, nil),
			Credential:      sec.str("credential", sec.name),
			Range:           sec.def,
			CredentialRange: sec.rng("credential"),
		}
		if sec.stated("credential") && (!credentialRule.MatchString(x.Credential) || strings.Trim(x.Credential, ".") == "") {
			sec.wrong("credential", "credential is the name of a systemd credential, which is a file name: 1 to 255 letters, digits, hyphens, underscores or dots, and no slash. The value itself never stands in a spec.")
		}
		s.Secrets = append(s.Secrets, x)
	}
}

// secretRef reads an attribute that names a secret. Its value may be the secret
// itself, by mistake, so no diagnostic about it repeats the value: d.checkSecret
// points at the attribute as a whole, beside which values are not shown.
func (s *section) secretRef(name string) (string, hcl.Range) {
	a := s.attrs[name]
	if a == nil {
		return "", s.def
	}
	return s.str(name, ""), a.SrcRange
}

// checkSecret reports a name no secret block has. owner is the block that names
// it, attr the attribute, place what secretRef gave.
func (d *decoder) checkSecret(s *Spec, owner, attr, name string, place hcl.Range) {
	if name == "" || d.isBroken("secret", name) {
		return
	}
	var names []string
	for _, x := range s.Secrets {
		if x.Name == name {
			return
		}
		names = append(names, x.Name)
	}
	switch close := closest(name, names); {
	case close != "":
		d.errorf(place, "Unknown secret", "The %s of the %s names a secret block, and there is none of this name. Did you mean %q?", attr, owner, close)
	case attr != "password" && isFile(name):
		d.errorf(place, "File instead of a secret", "%s takes the name of a secret block, not a file: no image holds a key, and a certificate changes more often than an image. Write secret \"NAME\" { from = \"credential\" } and %s = \"NAME\".", attr, attr)
	case attr == "password" || !nameRule.MatchString(name):
		d.errorf(place, "Secret in the spec", "%s takes the name of a secret block, and there is none called like this. If this is the secret itself, it is in the repository now: take it out, change it on the other side too, and hand the new one to the appliance as a credential. Write secret \"NAME\" { from = \"credential\" } and %s = \"NAME\".", attr, attr)
	default:
		d.errorf(place, "Unknown secret", "The %s of the %s names secret %q. %s To add it, write secret %q { from = \"credential\" }", attr, owner, name, didYouMean(name, names, "secret"), name)
	}
}

// isFile reports a value that is the path of a file with a certificate or a key.
func isFile(text string) bool {
	const longest = 200 // a path; beyond it, text with a slash is the thing itself
	if strings.Contains(text, "\n") || strings.Contains(text, "-----BEGIN") || len(text) > longest {
		return false
	}
	for _, ext := range []string{".pem", ".crt", ".cer", ".key", ".der", ".p12"} {
		if strings.HasSuffix(strings.ToLower(text), ext) {
			return true
		}
	}
	return strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./")
}

// checkUnusedSecrets warns of secrets nothing names: what is left over from an
// edit is a credential that is handed out for nothing.
func (d *decoder) checkUnusedSecrets(s *Spec) {
	used := map[string]bool{}
	for _, l := range s.Listeners {
		if l.TLS != nil {
			used[l.TLS.Certificate], used[l.TLS.Key], used[l.TLS.ClientCA] = true, true, true
		}
	}
	for _, x := range s.Databases {
		used[x.Password], used[x.CA] = true, true
	}
	c := s.Control
	used[c.Certificate], used[c.Key], used[c.ClientCA] = true, true, true

	first := map[string]*Secret{}
	for _, x := range s.Secrets {
		if !used[x.Name] {
			d.warnf(x.Range, "Secret not used", "Nothing names secret %q, and the appliance would be handed it all the same. Name it where it belongs, or remove it.", x.Name)
		}
		if prev := first[x.Credential]; prev != nil {
			d.warnf(x.CredentialRange, "Credential of two secrets", "Secret %q is the credential %q already (%s). Name that one, or correct one of the two.", prev.Name, x.Credential, at(prev.Range))
			continue
		}
		first[x.Credential] = x
	}
}
