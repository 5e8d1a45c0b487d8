package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// errNotFound: the mirror answers, and does not have the file.
var errNotFound = errors.New("not on the mirror")

const (
	attempts   = 4
	stallBound = 30 * time.Second // a mirror silent for so long ends an attempt
)

// client fetches files with retries. A mirror that answers 404 is believed.
type client struct {
	http  *http.Client
	stall time.Duration
	pause func(attempt int) time.Duration // before attempt 1, 2, ...
}

// newClient returns a client that waits no longer than stall for a connection, an
// answer, or the next byte of one.
func newClient(stall time.Duration) client {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: stall}).DialContext,
		ForceAttemptHTTP2:     true, // a dialer of one's own turns it off
		ResponseHeaderTimeout: stall,
		TLSHandshakeTimeout:   stall,
		MaxIdleConnsPerHost:   parallel,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true, // digests are of the files as they lie on the mirror
	}
	t.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	return client{
		http:  &http.Client{Transport: t},
		stall: stall,
		pause: func(attempt int) time.Duration { return 500 * time.Millisecond << (attempt - 1) },
	}
}

// fetch returns a file below base of at most limit bytes.
func (c client) fetch(ctx context.Context, base *url.URL, path string, limit int64) ([]byte, error) {
	var b []byte
	err := c.retry(ctx, func() error {
		return c.get(ctx, base, path, func(r io.Reader) error {
			var err error
			b, err = io.ReadAll(io.LimitReader(r, limit+1))
			if err == nil && int64(len(b)) > limit {
				err = permanent{fmt.Errorf("%s is larger than the %d bytes expected", path, limit)}
			}
			return err
		})
	})
	return b, err
}

// permanent marks an error that another attempt will not mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// retry calls f until it succeeds, fails for good, or has failed too often.
func (c client) retry(ctx context.Context, f func() error) error {
	var err error
	for n := range attempts {
		if n > 0 {
			t := time.NewTimer(c.pause(n))
			select {
			case <-ctx.Done():
				t.Stop()
				return ctx.Err()
			case <-t.C:
			}
		}
		if err = f(); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var p permanent
		if errors.As(err, &p) {
			return p.error
		}
	}
	return fmt.Errorf("%w (tried %d times): name a mirror that answers with --mirror or TRUNKLINE_MIRROR, or fill the cache from elsewhere with `trunkline cache import`", err, attempts)
}

// get makes one attempt at a file and hands its body to read.
func (c client) get(ctx context.Context, base *url.URL, path string, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	u := base.JoinPath(path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return permanent{err}
	}
	req.Header.Set("User-Agent", "trunkline")
	resp, err := c.http.Do(req)
	if err != nil {
		return redact(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK:
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return permanent{fmt.Errorf("%s: %w (%s)", u.Redacted(), errNotFound, resp.Status)}
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return fmt.Errorf("%s: %s", u.Redacted(), resp.Status)
	default:
		return permanent{fmt.Errorf("%s: %s", u.Redacted(), resp.Status)}
	}
	w := &watched{r: resp.Body, stall: c.stall}
	w.timer = time.AfterFunc(c.stall, func() { cancel(fmt.Errorf("%s: no data for %s", u.Redacted(), c.stall)) })
	defer w.timer.Stop()
	err = read(w)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// redact keeps a password in a mirror's address out of messages; *url.Error
// already masks it, so only its verb goes.
func redact(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("%s: %w", u.URL, u.Err)
	}
	return err
}

// watched pushes the stall bound ahead with every byte that comes.
type watched struct {
	r     io.Reader
	stall time.Duration
	timer *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.timer.Reset(w.stall)
	}
	return n, err
}
