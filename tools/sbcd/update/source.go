package update

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"trunkline/image/release"
)

// Bounds of what is asked of the server.
const (
	connectWithin = 15 * time.Second
	answerWithin  = 30 * time.Second // from the request to the head of the answer
	indexWithin   = time.Minute      // the whole of it
	stallAfter    = time.Minute      // without a byte of an image
	mostRedirects = 5
)

// Source is a directory of published images on a server.
type Source struct {
	base    string
	ownRoot bool // the server is known by authorities of the spec
	client  *http.Client
	stall   time.Duration
}

// NewSource is the directory at an https address that ends in a slash. Its server must have
// a certificate of roots; nil: of the public authorities.
func NewSource(base string, roots *x509.CertPool) *Source {
	return &Source{base: base, ownRoot: roots != nil, stall: stallAfter, client: &http.Client{
		Transport: &http.Transport{
			// No proxy of the environment: the spec says where images come from.
			DialContext:            (&net.Dialer{Timeout: connectWithin}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    connectWithin,
			ResponseHeaderTimeout:  answerWithin,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true, // bytes as they were published
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if next.URL.Scheme != "https" {
				return &redirectError{next.URL.Redacted(), "which is not https"}
			}
			if len(before) > mostRedirects {
				return &redirectError{next.URL.Redacted(), fmt.Sprintf("the %dth time in a row", len(before))}
			}
			return nil
		},
	}}
}

// redirectError is an answer that leads where this program does not go.
type redirectError struct{ to, why string }

func (e *redirectError) Error() string { return fmt.Sprintf("redirected to %s, %s", e.to, e.why) }

// Index fetches the index of an appliance.
func (s *Source) Index(ctx context.Context, name string) (release.Index, error) {
	ctx, cancel := context.WithTimeout(ctx, indexWithin)
	defer cancel()
	address := s.base + url.PathEscape(release.IndexFile(name))
	body, _, err := s.get(ctx, address)
	if err != nil {
		return release.Index{}, err
	}
	defer body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(body, release.MaxIndex+1))
	if err != nil {
		return release.Index{}, s.explain(address, err)
	}
	x, err := release.Decode(b)
	if err == nil && x.Name != name {
		err = fmt.Errorf("it is the index of %s", x.Name)
	}
	if err != nil {
		return release.Index{}, &Error{BadIndex, fmt.Errorf("%s is not the index of %s: %w", address, name, err),
			"write the directory with `trunkline publish` of the version the image was built with, and see that the server hands out its files as they are"}
	}
	return x, nil
}

// Image fetches the image of an index; to reads it, and its error is returned as it is.
// Reading fails when the server stalls, or has sent what it had.
func (s *Source) Image(ctx context.Context, x release.Index, to func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	address := s.base + url.PathEscape(x.File)
	body, length, err := s.get(ctx, address)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // read only
	if length >= 0 && length != x.Size {
		return &Error{BadImage, fmt.Errorf("%s has %d bytes, the index says %d", address, length, x.Size),
			"publish the image again; a cache between may still have an older file of this name"}
	}
	watch := time.AfterFunc(s.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	return to(&transfer{source: s, ctx: ctx, address: address, body: body, watch: watch})
}

var errStalled = errors.New("the server sent nothing for a while")

// transfer reads an image, and says in plain words why it cannot go on.
type transfer struct {
	source  *Source
	ctx     context.Context
	address string
	body    io.Reader
	watch   *time.Timer
	done    int64
}

func (t *transfer) Read(b []byte) (int, error) {
	n, err := t.body.Read(b)
	t.done += int64(n)
	t.watch.Reset(t.source.stall)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case errors.Is(context.Cause(t.ctx), errStalled):
		err = fmt.Errorf("no byte came for %s", t.source.stall)
	case t.ctx.Err() != nil:
		return n, t.ctx.Err() // told to stop
	default:
		err = bare(err)
	}
	return n, &Error{Interrupted, fmt.Errorf("%s broke off after %d bytes: %w", t.address, t.done, err), "nothing is kept of it, and the next look fetches it anew; if it goes on, look at the way to the server"}
}

// get asks for a file.
func (s *Source) get(ctx context.Context, address string) (io.ReadCloser, int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, &Error{Unreachable, err, "correct update.url of the spec"}
	}
	req.Header.Set("User-Agent", "trunkline-update")
	req.Header.Set("Cache-Control", "no-cache") // caches between ask the server
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, 0, s.explain(address, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, resp.ContentLength, nil
	}
	resp.Body.Close() //nolint:errcheck // nothing of it is used
	said := fmt.Errorf("%s: the server answers %s", address, resp.Status)
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return nil, 0, &Error{NotFound, said, "publish the image of this appliance with `trunkline publish`, to the directory that update.url names"}
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return nil, 0, &Error{NotFound, said, "let the server hand out the directory to everybody who may connect: images are signed and hold no secrets"}
	}
	return nil, 0, &Error{Unreachable, said, "look at the log of the server"}
}
