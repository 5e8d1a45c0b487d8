package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"trunkline/image/sparse"
)

// Write writes the raw disk as an image to w, which must be empty.
func Write(w *os.File, raw *os.File) error {
	if err := write(w, raw); err != nil {
		return fmt.Errorf("qcow2: %w", err)
	}
	return nil
}

func write(w, raw *os.File) error {
	info, err := raw.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size == 0 || size%512 != 0 {
		return fmt.Errorf("a disk of %d bytes is not one of whole sectors", size)
	}
	used, err := usedClusters(raw, size)
	if err != nil {
		return err
	}
	l := plan(size, used)
	if err := w.Truncate(int64(l.clusters) * cluster); err != nil {
		return err
	}
	for _, t := range l.tables(size, used) {
		if _, err := w.WriteAt(t.data, int64(t.at)*cluster); err != nil {
			return err
		}
	}
	buf := make([]byte, cluster)
	for i, c := range used {
		n, err := readCluster(raw, c, size, buf)
		if err != nil {
			return err
		}
		if _, err := w.WriteAt(buf[:n], int64(l.data+uint64(i))*cluster); err != nil {
			return err
		}
	}
	return nil
}

// usedClusters are the numbers of the clusters that are not all zeros. Holes are only
// a shortcut: which zeros a file system keeps as holes decides nothing.
func usedClusters(raw *os.File, size int64) ([]uint64, error) {
	ranges, err := sparse.Ranges(raw, size)
	if err != nil {
		return nil, err
	}
	var out []uint64
	var none [cluster]byte
	buf := make([]byte, cluster)
	next := uint64(0)
	for _, r := range ranges {
		for c := max(next, uint64(r.Start)/cluster); int64(c)*cluster < r.End; c++ {
			n, err := readCluster(raw, c, size, buf)
			if err != nil {
				return nil, err
			}
			if !bytes.Equal(buf[:n], none[:n]) {
				out = append(out, c)
			}
			next = c + 1
		}
	}
	return out, nil
}

// readCluster reads a cluster of the disk, which may end within the last one.
func readCluster(raw *os.File, c uint64, size int64, buf []byte) (int, error) {
	n := int(min(cluster, size-int64(c)*cluster))
	got, err := raw.ReadAt(buf[:n], int64(c)*cluster)
	if errors.Is(err, io.EOF) && got == n {
		err = nil
	}
	return n, err
}

// layout says in which cluster of the image each part begins: header, refcount table
// and blocks, L1 table, L2 tables, data.
type layout struct {
	refTable, refTables uint64
	refBlock, refBlocks uint64
	l1, l1Clusters      uint64
	l1Entries           uint64
	l2                  uint64
	l2Of                map[uint64]uint64 // index in L1 -> number of the L2 table
	data                uint64
	clusters            uint64 // in all
}

func plan(size int64, used []uint64) layout {
	up := func(n, per uint64) uint64 { return (n + per - 1) / per }
	l := layout{refTable: 1, l2Of: map[uint64]uint64{}}
	l.l1Entries = up(up(uint64(size), cluster), perTable)
	l.l1Clusters = up(l.l1Entries, perTable)
	for _, c := range used {
		if _, ok := l.l2Of[c/perTable]; !ok {
			l.l2Of[c/perTable] = uint64(len(l.l2Of))
		}
	}
	others := 1 + l.l1Clusters + uint64(len(l.l2Of)) + uint64(len(used))
	// The blocks count themselves and their table too: a few rounds settle it.
	for {
		l.clusters = others + l.refTables + l.refBlocks
		blocks := up(l.clusters, perRefcount)
		tables := up(blocks, perTable)
		if blocks == l.refBlocks && tables == l.refTables {
			break
		}
		l.refBlocks, l.refTables = blocks, tables
	}
	l.refBlock = l.refTable + l.refTables
	l.l1 = l.refBlock + l.refBlocks
	l.l2 = l.l1 + l.l1Clusters
	l.data = l.l2 + uint64(len(l.l2Of))
	return l
}

// table is bytes at the start of a cluster of the image.
type table struct {
	at   uint64
	data []byte
}

func (l layout) tables(size int64, used []uint64) []table {
	header := make([]byte, headerLength+8) // and the end of the header extensions
	be.PutUint32(header, magic)
	be.PutUint32(header[hdrVersion:], version)
	be.PutUint32(header[hdrClusterBits:], clusterBits)
	be.PutUint64(header[hdrSize:], uint64(size))
	be.PutUint32(header[hdrL1Size:], uint32(l.l1Entries))
	be.PutUint64(header[hdrL1Offset:], l.l1*cluster)
	be.PutUint64(header[hdrRefcountOffset:], l.refTable*cluster)
	be.PutUint32(header[hdrRefcountCount:], uint32(l.refTables))
	be.PutUint32(header[hdrRefcountOrder:], refcountOrder)
	be.PutUint32(header[hdrLength:], headerLength)

	refTable := make([]byte, 0, l.refBlocks*entrySize)
	for i := range l.refBlocks {
		refTable = be.AppendUint64(refTable, (l.refBlock+i)*cluster)
	}
	counts := make([]byte, 0, l.clusters*2)
	for range l.clusters {
		counts = be.AppendUint16(counts, 1)
	}
	l1 := make([]byte, l.l1Entries*entrySize)
	for i, n := range l.l2Of {
		be.PutUint64(l1[i*entrySize:], (l.l2+n)*cluster|copied)
	}
	l2 := make([]byte, uint64(len(l.l2Of))*cluster)
	for i, c := range used {
		at := l.l2Of[c/perTable]*cluster + c%perTable*entrySize
		be.PutUint64(l2[at:], (l.data+uint64(i))*cluster|copied)
	}
	return []table{{0, header}, {l.refTable, refTable}, {l.refBlock, counts}, {l.l1, l1}, {l.l2, l2}}
}
