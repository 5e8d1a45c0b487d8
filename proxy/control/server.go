// Package control is how the machine's service manager and its operator talk to a
// running proxy: sd_notify, and an HTTP API on a unix socket with the status as
// JSON and metrics in the Prometheus text format.
//
// It knows nothing of what it shows: the status is whatever a function returns, the
// metrics whatever a gatherer gathers. It promises that the socket is reachable by
// its owner and group alone, that one left behind by a dead process is replaced and
// one of a living process is not, and that nothing here is ever on the path of a
// message.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Paths of the API.
const (
	StatusPath             = "/v1/status"
	MetricsPath            = "/metrics"
	ReloadCertificatesPath = "/v1/reload-certificates"
	DrainPath              = "/v1/drain"
	UndrainPath            = "/v1/undrain"
	ReloadCachesPath       = "/v1/reload-caches" // ?cache=NAME, any number of times; none: all
	DumpCachePath          = "/v1/dump-cache"    // ?cache=NAME
	RoutePath              = "/v1/route"         // ?number=NUMBER, and of whom it is
)

// Times within which a client must have said, and been told, everything.
const (
	headerTimeout = 5 * time.Second
	writeTimeout  = 30 * time.Second
	closeTimeout  = 2 * time.Second
)

// Options say what the API shows.
type Options struct {
	Status   func() any // marshalled as JSON on each request
	Gatherer prometheus.Gatherer
	// Actions are what POST does, by path. What one returns is the reply, as JSON (200);
	// its error is told as JSON, {"error": "..."} (409): nothing was changed then.
	Actions map[string]func(context.Context) (any, error)
	// Handlers answer what takes more than a path, by pattern ("GET /v1/route"); Reply and
	// Refuse write their answers.
	Handlers map[string]http.HandlerFunc
	Log      *slog.Logger
}

// Server is the API on one socket.
type Server struct {
	http http.Server
	l    net.Listener
	path string
}

// Listen opens the socket at path; Serve answers on it.
func Listen(path string, o Options) (*Server, error) {
	if err := clear(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w%s", err, remedy(err))
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+StatusPath, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, o.Status())
	})
	for path, do := range o.Actions {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			v, err := do(r.Context())
			if err != nil {
				Refuse(w, err)
				return
			}
			Reply(w, v)
		})
	}
	for pattern, h := range o.Handlers {
		mux.HandleFunc(pattern, h)
	}
	if o.Gatherer != nil {
		mux.Handle("GET "+MetricsPath, promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	}
	s := &Server{l: l, path: path, http: http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout,
	}}
	if o.Log != nil {
		s.http.ErrorLog = slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn)
	}
	return s, nil
}

// Reply answers with a value as JSON (200).
func Reply(w http.ResponseWriter, v any) { reply(w, http.StatusOK, v) }

// Refuse answers with an error as JSON, {"error": "..."} (409).
func Refuse(w http.ResponseWriter, err error) {
	reply(w, http.StatusConflict, failure{err.Error()})
}

// Within gives an answer more time than the API gives others.
func Within(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d)) // without, it has what all have
}

// failure is the reply to an action that was not done.
type failure struct {
	Error string `json:"error"`
}

func reply(w http.ResponseWriter, code int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n'))
}

// clear removes a socket nobody listens on.
func clear(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if st.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("control socket: %s is there and is no socket: choose another path", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("control socket: another process serves %s: stop it, or choose another path with --control", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

func remedy(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return ": make its directory, or choose another path with --control"
	case errors.Is(err, syscall.EINVAL):
		return ": the path of a unix socket has at most 107 bytes, choose another with --control"
	default:
		return ""
	}
}

// Serve answers until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket %s: %w", s.path, err)
	}
	return nil
}

// Close ends the API and removes the socket. Requests under way get a moment.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	// Without Serve the server does not know its listener.
	defer s.l.Close()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}
