package report

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// host is what the scripts use of a code host's API, on the loopback: GitHub's
// comments of pull request 7 (REST, issues/comments) or GitLab's notes of merge
// request 7 (REST, notes), both in pages.
type host struct {
	t      *testing.T
	github bool

	mu       sync.Mutex
	comments []comment
	next     int
	calls    []string
}

type comment struct {
	id       int
	bot      bool // GitHub: by a bot; GitLab: by the token's own user
	body     string
	modified bool
}

const secret = "token-of-the-test"

func (h *host) add(bot bool, body string) int {
	h.next++
	h.comments = append(h.comments, comment{id: h.next, bot: bot, body: body})
	return h.next
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, r.Method+" "+r.URL.Path)
	list, one, auth := "/projects/42/merge_requests/7/notes", "/projects/42/merge_requests/7/notes/", r.Header.Get("PRIVATE-TOKEN")
	update := http.MethodPut
	if h.github {
		list, one, auth = "/repos/owner/specs/issues/7/comments", "/repos/owner/specs/issues/comments/", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		update = http.MethodPatch
	}
	if auth != secret {
		http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
		return
	}
	body := func() string {
		var in struct{ Body string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			h.t.Errorf("the body is no JSON: %v", err)
		}
		return in.Body
	}
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/user":
		fmt.Fprint(w, `{"id": 1}`)
	case r.Method == http.MethodGet && r.URL.Path == list:
		page, err := strconv.Atoi(r.URL.Query().Get("page"))
		if err != nil || r.URL.Query().Get("per_page") != "100" {
			h.t.Errorf("asked for %s", r.URL.RawQuery)
		}
		out := []map[string]any{}
		for i := (page - 1) * 100; i < min(page*100, len(h.comments)); i++ {
			c := h.comments[i]
			who := map[bool]string{true: "Bot", false: "User"}[c.bot]
			out = append(out, map[string]any{"id": c.id, "body": c.body, "user": map[string]any{"type": who},
				"author": map[string]any{"id": map[bool]int{true: 1, false: 2}[c.bot]}})
		}
		if err := json.NewEncoder(w).Encode(out); err != nil {
			h.t.Error(err)
		}
	case r.Method == http.MethodPost && r.URL.Path == list:
		h.add(true, body())
		w.WriteHeader(http.StatusCreated)
	case r.Method == update && strings.HasPrefix(r.URL.Path, one):
		for i := range h.comments {
			if strconv.Itoa(h.comments[i].id) == strings.TrimPrefix(r.URL.Path, one) {
				h.comments[i].body, h.comments[i].modified = body(), true
			}
		}
	default:
		http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
	}
}

// One comment is made, found again beyond the first page and replaced; what people
// wrote is left alone; a refusal fails the run and shows no token.
func TestCommentScripts(t *testing.T) {
	for _, name := range []string{"github", "gitlab"} {
		t.Run(name, func(t *testing.T) {
			h := &host{t: t, github: name == "github"}
			server := httptest.NewServer(h)
			defer server.Close()
			script, err := filepath.Abs("../../" + name + "/comment")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "comment.md")
			run := func(text, token string) (string, error) {
				t.Helper()
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				args := []string{file}
				if h.github {
					args = append(args, "7")
				}
				cmd := exec.Command(script, args...)
				cmd.Env = append(os.Environ(), "NO_PROXY=*", "no_proxy=*",
					"GITHUB_TOKEN="+token, "GITHUB_REPOSITORY=owner/specs", "GITHUB_API_URL="+server.URL,
					"TRUNKLINE_GITLAB_TOKEN="+token, "CI_API_V4_URL="+server.URL, "CI_PROJECT_ID=42", "CI_MERGE_REQUEST_IID=7")
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			const marker = "<!-- trunkline:pipeline -->"
			first := marker + "\n\"quoted\" \\ back | slash `code` ünïcode\n$(id) %s\n"
			second := marker + "\nNo changes: edge.\n"

			// A reviewer quotes the comment; the discussion goes on for pages.
			for i := range 150 {
				h.add(false, fmt.Sprintf("%s\nremark %d", marker, i))
			}
			h.add(true, "another bot")
			if out, err := run(first, secret); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if n := len(h.comments); n != 152 || h.comments[151].body != first {
				t.Fatalf("%d comments, the last is %q", n, h.comments[n-1].body)
			}
			if out, err := run(second, secret); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if n := len(h.comments); n != 152 || h.comments[151].body != second {
				t.Errorf("%d comments, the last is %q", n, h.comments[n-1].body)
			}
			for _, c := range h.comments[:151] {
				if c.modified {
					t.Errorf("comment %d of somebody else was replaced", c.id)
				}
			}

			before := len(h.calls)
			for _, c := range []struct{ text, token, want string }{
				{first, "wrong-token", "401"},
				{first, "", "is not set"},
				{"", secret, "there is nothing in"},
				{"## no marker\n", secret, "no HTML comment"},
			} {
				out, err := run(c.text, c.token)
				if err == nil || !strings.Contains(out, c.want) {
					t.Errorf("%q with token %q: %v\n%s", c.text, c.token, err, out)
				}
				if strings.Contains(out, "wrong-token") || strings.Contains(out, secret) {
					t.Errorf("the token is shown:\n%s", out)
				}
			}
			for _, call := range h.calls[before:] {
				if !strings.HasPrefix(call, "GET ") {
					t.Errorf("a refused run did %s", call)
				}
			}
		})
	}
}
