package image

// Base describes a base layer: base.json of its directory.
type Base struct {
	FormatVersion int             `json:"format_version"`
	Digest        string          `json:"digest"` // "sha256:<hex>" of its inputs
	Profile       string          `json:"profile"`
	Lock          string          `json:"lock"`   // digest of the lock file
	Kernel        string          `json:"kernel"` // release, as uname -r prints it
	OSRelease     string          `json:"os_release"`
	Packages      int             `json:"packages"`
	TreeBytes     int64           `json:"tree_bytes"` // of regular files in the root image
	TreeFiles     int             `json:"tree_files"`
	Modules       int             `json:"modules"` // kernel modules kept
}
