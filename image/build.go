package image

import (
	"context"
	"errors"
)

func build(ctx context.Context, r Request) (Result, error) {
	return Result{}, errors.New("image: not built yet")
}
