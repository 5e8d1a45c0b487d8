package multibuffer

import "golang.org/x/sys/cpu"

// vectors says whether this processor hashes faster with them. One with instructions
// for SHA-256 hashes each stream at that rate, on the goroutine that wants it.
var vectors = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && !shaInstructions()

// shaInstructions reports SHA256RNDS2 and its kin (CPUID leaf 7, EBX bit 29).
func shaInstructions() bool

// blocks hashes n blocks of 64 bytes of every lane, from data[lane] on.
//
//go:noescape
func blocks(state *[8][lanes]uint32, data *[lanes]*byte, n int)
