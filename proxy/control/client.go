package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// maxReply bounds what Get takes, bytes.
const maxReply = 64 << 20

// Get asks the API at the socket for a path and gives the body of the reply.
func Get(ctx context.Context, socket, path string) ([]byte, error) {
	return ask(ctx, http.MethodGet, socket, path)
}

// Post has the API at the socket do the action of a path and gives the body of the reply.
// When the action failed, the error is the one it told.
func Post(ctx context.Context, socket, path string) ([]byte, error) {
	return ask(ctx, http.MethodPost, socket, path)
}

// Copy asks the API at the socket for a path and writes the body of the reply to w as it
// comes, however long it is.
func Copy(ctx context.Context, w io.Writer, socket, path string) error {
	resp, err := send(ctx, http.MethodGet, socket, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, err := body(resp, socket, path)
		return err
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("control socket %s: %w", socket, err)
	}
	return nil
}

func ask(ctx context.Context, method, socket, path string) ([]byte, error) {
	resp, err := send(ctx, method, socket, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return body(resp, socket, path)
}

func send(ctx context.Context, method, socket, path string) (*http.Response, error) {
	c := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://sbcd"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		switch {
		case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
			return nil, fmt.Errorf("nothing serves the control socket %s: is sbcd running?", socket)
		case errors.Is(err, os.ErrPermission):
			return nil, fmt.Errorf("no permission for the control socket %s: be root or in the group sbcd", socket)
		}
		return nil, fmt.Errorf("control socket %s: %w", socket, err)
	}
	return resp, nil
}

func body(resp *http.Response, socket, path string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", socket, err)
	}
	var f failure
	if resp.StatusCode == http.StatusConflict && json.Unmarshal(b, &f) == nil && f.Error != "" {
		return nil, errors.New(f.Error)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("control socket %s: %s answers %s", socket, path, resp.Status)
	}
	return b, nil
}
