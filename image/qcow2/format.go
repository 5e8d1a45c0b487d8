// Package qcow2 writes a raw disk as a QEMU copy-on-write image (version 3) and
// reads such images.
//
// It promises: the same disk gives the same bytes; only clusters that hold something
// else than zeros take room; nothing is read of a hostile image but what its tables
// name within the file. Images with a backing file, encryption, compression or an
// external data file are refused with a reason when read: none of them stands for
// itself, or is written here.
//
// Sizes and offsets are bytes. Format: QEMU, docs/interop/qcow2.txt.
package qcow2

import "encoding/binary"

const (
	magic   = 0x514649fb // "QFI\xfb"
	version = 3
	// clusterBits is QEMU's own default, 64 KiB.
	clusterBits = 16
	cluster     = 1 << clusterBits
	entrySize   = 8 // of refcount table, L1 and L2 tables
	perTable    = cluster / entrySize
	// refcountOrder 4: a reference count takes 16 bits, as the default is.
	refcountOrder = 4
	perRefcount   = cluster / 2
	headerLength  = 104

	// copied marks an entry whose cluster has a reference count of one.
	copied = 1 << 63
	// compressed marks a compressed cluster in an L2 entry.
	compressed = 1 << 62
	// zero marks a cluster of an L2 entry that reads as zeros.
	zero = 1
	// offsetMask is where in an L1 or L2 entry the offset of the cluster is.
	offsetMask = 0x00fffffffffffe00
)

// Places in the header.
const (
	hdrVersion        = 4
	hdrBacking        = 8
	hdrClusterBits    = 20
	hdrSize           = 24
	hdrCrypt          = 32
	hdrL1Size         = 36
	hdrL1Offset       = 40
	hdrRefcountOffset = 48
	hdrRefcountCount  = 56
	hdrSnapshots      = 60
	hdrIncompatible   = 72
	hdrRefcountOrder  = 96
	hdrLength         = 100
)

var be = binary.BigEndian
