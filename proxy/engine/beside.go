package engine

import (
	"trunkline/proxy/shm"
	"trunkline/proxy/transaction"
)

// beside is what the engine keeps for each slot of the transaction table, guarded by the
// slot's shard and in the same arena.
type beside struct {
	slots     []slotData
	forkSlots []forkData // where a set forks; else nil
	images    []besideImage
}

// besideImage is what was beside the slot of a shard that is being changed, as
// transaction.Beside has it.
type besideImage struct {
	slot slotData
	fork forkData
}

func newBeside(a *shm.Arena, t *transaction.Table, forks bool) (*beside, error) {
	b := &beside{}
	var err error
	if b.slots, err = shm.Take[slotData](a, "requests", t.Capacity()); err != nil {
		return nil, err
	}
	if forks {
		if b.forkSlots, err = shm.Take[forkData](a, "forked requests", t.Capacity()); err != nil {
			return nil, err
		}
	}
	if a != nil {
		if b.images, err = shm.Take[besideImage](a, "request changes", t.Shards()); err != nil {
			return nil, err
		}
		t.Keep(b)
	}
	return b, nil
}

// Save implements transaction.Beside.
func (b *beside) Save(shard, index int, forked bool) {
	m := &b.images[shard]
	m.slot = b.slots[index]
	if forked {
		m.fork = b.forkSlots[index]
	}
}

// Restore implements transaction.Beside.
func (b *beside) Restore(shard, index int, forked bool) {
	m := &b.images[shard]
	b.slots[index] = m.slot
	if forked && b.forkSlots != nil {
		b.forkSlots[index] = m.fork
	}
}
