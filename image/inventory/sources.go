package inventory

import "embed"

//go:embed *.go
var sources embed.FS

// Sources are the sources of this package: the record is part of the root image,
// which must change when the code that writes it does.
func Sources() embed.FS { return sources }
