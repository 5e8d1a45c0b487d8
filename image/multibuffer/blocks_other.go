//go:build !amd64

package multibuffer

const vectors = false

func blocks(*[8][lanes]uint32, *[lanes]*byte, int) { panic("multibuffer: no vectors") }
