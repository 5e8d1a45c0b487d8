// Package multibuffer computes the SHA-256 of several streams at once, one in each lane
// of the processor's vector registers.
//
// A fleet of 200 is 47 GB to hash, which was three quarters of the work of building one: a
// disk is 154 MiB, zeros included, and no two disks have a beginning in common that could
// be hashed once, for the table with their identifiers comes first. The rounds of one stream
// wait for each other. Those of sixteen independent ones do not, and take about three times as long as
// those of one (the method of Gulley and Gopal: "Processing Multiple Buffers in Parallel to
// Increase Performance on Intel Architecture Processors", 2010).
//
// It promises the digests of crypto/sha256, whatever the processor. The vector code runs
// on x86-64 with AVX-512 (F and BW) and without instructions for SHA-256: servers of Intel's Skylake
// and Cascade Lake generations. Everywhere else crypto/sha256 does the work, which is as
// fast where the processor has such instructions.
package multibuffer
