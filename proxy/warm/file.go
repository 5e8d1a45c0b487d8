package warm

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
)

// file is a CSV file as a source.
type file string

// rows reads the file. It streams, so the file may be a FIFO or larger than memory would
// like; ctx ends it even while it waits for somebody to write.
func (p file) rows(ctx context.Context, add adder) error {
	return readFile(ctx, string(p), func(f io.Reader) error { return parse(ctx, string(p), f, add) })
}

func readFile(ctx context.Context, path string, read func(io.Reader) error) error {
	f, err := open(ctx, path)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return fmt.Errorf("%s is a directory: name a CSV file", path)
	}
	// Closing the file ends a read that waits, which a context alone cannot.
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	err = read(f)
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", path, context.Cause(ctx))
	}
	return err
}

// open opens path for reading. Opening a FIFO waits for its writer; when ctx ends
// first, open becomes the writer itself for a moment to end the wait.
func open(ctx context.Context, path string) (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := os.Open(path)
		done <- result{f, err}
	}()
	select {
	case r := <-done:
		return r.f, r.err
	case <-ctx.Done():
	}
	if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		_ = w.Close()
	}
	go func() {
		if r := <-done; r.err == nil {
			_ = r.f.Close()
		}
	}()
	return nil, fmt.Errorf("%s: %w", path, context.Cause(ctx))
}
