package bake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"sort"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/spec"
)

// Files returns the files of the config layer, sorted by path: the same bytes
// for the same plan and spec. It refuses a plan of another spec. It renders a
// plan with errors too (a reader wants to see it); whoever builds must refuse
// plan.Errored.
func Files(p *plan.Plan, s *spec.Spec) ([]File, error) {
	if p.SpecDigest != s.Digest {
		return nil, fmt.Errorf("bake %s: the plan was made from spec %s, but this spec is %s: make the plan again", s.Appliance.Name, p.SpecDigest, s.Digest)
	}
	a, err := runtime.Encode(p.Appliance)
	if err != nil {
		return nil, fmt.Errorf("bake %s: %w", s.Appliance.Name, err)
	}
	head := header(p)
	files := []File{
		// hostname(5) allows comments, but the one line is easier on other readers.
		text("etc/hostname", p.Appliance.Name+"\n"),
		{Path: strings.TrimPrefix(runtime.DefaultPath, "/"), Mode: 0o644, Data: a},
		text("etc/sysctl.d/90-trunkline.conf", head+sysctls(p)),
		text("etc/systemd/system/sbcd.service.d/10-sized.conf", head+service(p)),
	}
	if body := secrets(p); body != "" {
		files = append(files, text("etc/systemd/system/sbcd.service.d/20-secrets.conf", head+body))
	}
	files = append(files, networkFiles(&s.Hardware, head)...)
	files = append(files, clientFiles(&s.Hardware, head)...)
	files = append(files, updateFiles(p, s, head)...)
	files = append(files, mediaFiles(p, head)...)
	files = append(files, machineFiles(&s.Hardware, head)...)
	if p.Ruleset != "" {
		files = append(files, text("etc/nftables/trunkline.nft", head+
			"# For reading: `sbcd firewall` loads the same rules through netlink at boot.\n"+p.Ruleset))
	}
	baked, err := caches(p, s)
	if err != nil {
		return nil, fmt.Errorf("bake %s: %w", s.Appliance.Name, err)
	}
	files = append(files, baked...)

	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	for i, f := range files {
		if !strings.HasPrefix(f.Path, "etc/") || path.Clean(f.Path) != f.Path {
			return nil, fmt.Errorf("bake %s: file %q is not below etc/: a name in the spec holds a path", s.Appliance.Name, f.Path)
		}
		if i > 0 && files[i-1].Path == f.Path {
			return nil, fmt.Errorf("bake %s: two files named %s: two blocks of the spec have one name", s.Appliance.Name, f.Path)
		}
	}
	return files, nil
}

// Seal renders the files and records their digests in p, which is then complete.
func Seal(p *plan.Plan, s *spec.Spec) ([]File, error) {
	files, err := Files(p, s)
	if err != nil {
		return nil, err
	}
	p.Files = make([]plan.FileSum, 0, len(files))
	for _, f := range files {
		p.Files = append(p.Files, sum(f, p.SpecDigest))
	}
	p.Complete = true
	return files, nil
}

// Verify reports whether files are the ones p lists: what a build checks before
// it uses a saved plan.
func Verify(p *plan.Plan, files []File) error {
	if !p.Complete {
		return fmt.Errorf("plan of %s has no file list: make it again", p.Appliance.Name)
	}
	if len(files) != len(p.Files) {
		return fmt.Errorf("plan of %s lists %d files, the spec gives %d: make the plan again", p.Appliance.Name, len(p.Files), len(files))
	}
	for i, f := range files {
		if got := sum(f, p.SpecDigest); got != p.Files[i] {
			return fmt.Errorf("file %s is not the one the plan lists: make the plan again with this version of Trunkline", f.Path)
		}
	}
	return nil
}

func sum(f File, digest string) plan.FileSum {
	data, mode := f.Data, fmt.Sprintf("%04o", f.Mode.Perm())
	if f.Link != "" {
		data, mode = []byte(f.Link), ""
	}
	h := sha256.Sum256(data)
	content := sha256.Sum256(bytes.ReplaceAll(data, []byte(digest), nil))
	return plan.FileSum{Path: f.Path, Mode: mode, Link: f.Link, Size: len(data),
		SHA256: hex.EncodeToString(h[:]), Content: hex.EncodeToString(content[:])}
}

func text(name, body string) File { return File{Path: name, Mode: 0o644, Data: []byte(body)} }

// header starts every file that may hold a comment.
func header(p *plan.Plan) string {
	return fmt.Sprintf("# %s, computed from spec %s.\n# Change the spec, not this file.\n", p.Appliance.Name, p.SpecDigest)
}

// caches carries the tables the spec bakes in to where the plan said sbcd finds them.
func caches(p *plan.Plan, s *spec.Spec) ([]File, error) {
	where := map[string]string{}
	for _, k := range p.Appliance.Caches {
		where[k.Name] = k.Path
	}
	var out []File
	for _, k := range s.Caches {
		if !k.Baked {
			continue
		}
		to, ok := where[k.Name]
		if !ok {
			return nil, fmt.Errorf("cache %q is in the spec but not in the plan: make the plan again", k.Name)
		}
		out = append(out, File{Path: strings.TrimPrefix(to, "/"), Mode: 0o644, Data: k.Data})
	}
	return out, nil
}
