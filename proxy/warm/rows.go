package warm

import (
	"bytes"
	"context"
	"fmt"
	goruntime "runtime"

	"trunkline/proxy/route"
)

// adder takes one row, a prefix and the name of a dispatcher set. Both may be reused when it
// returns. Its error says what is wrong with the row and what to do; where the row is, the
// source knows.
type adder func(prefix, set []byte) error

// source gives its rows, one after the other, until there are no more, add does not take
// one, or ctx ends. Its errors name the place in the source.
type source interface {
	rows(ctx context.Context, add adder) error
}

// progressEach is how many rows are read between two notes of the progress.
const progressEach = 1024

// build reads a source into a table. progress is called with the rows read so far.
func build(ctx context.Context, s source, rows int, r *route.Router, progress func(int)) (*route.Table, error) {
	b, n := route.NewBuilder(rows), 0
	var plain [route.MaxPrefix + 1]byte
	progress(0)
	err := s.rows(ctx, func(prefix, set []byte) error {
		if n++; n%progressEach == 0 {
			progress(n)
			goruntime.Gosched() // a worker that has a message waits for no time slice (10 ms) of ours
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		prefix, set = bytes.TrimSpace(prefix), bytes.TrimSpace(set)
		for _, c := range prefix {
			if !userChar[c] {
				return fmt.Errorf("prefix %q holds a character that no user part of a SIP URI has (RFC 3261 section 25.1): correct the row", prefix)
			}
		}
		v, ok := r.Set(set)
		if !ok {
			return fmt.Errorf("prefix %q: there is no dispatcher %q: use one of %s", prefix, set, r.SetNames())
		}
		if err := b.Add(route.Unescape(plain[:], prefix), v); err != nil {
			return fmt.Errorf("prefix %q: %w", prefix, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	progress(n)
	return b.Table(), nil
}

// userChar are the bytes a user part may have as they stand. Others are escaped there, so
// '%' is one of them.
var userChar = func() (ok [256]bool) {
	for c := '!'; c <= '~'; c++ {
		ok[c] = !bytes.ContainsRune([]byte("\"<>[\\]^`{|}#@:"), c)
	}
	return ok
}()
