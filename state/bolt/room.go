package bolt

import "context"

// probeSize is about what a commit with an event needs beside its payload. Less
// may be found in free pages while no event can be accepted.
const probeSize = 64 << 10

// rewritten is how many payloads a commit may have to write for a new one:
// bbolt writes the last leaf anew, which it does not split up to four entries.
const rewritten = 4

// Room fails when an event of size bytes could not be stored now. It writes as
// much, because only that tells: a file may have free pages in pieces, a disk
// may have a quota. Then it gives the room back.
func (s *Store) Room(ctx context.Context, size int) error {
	err := s.write(ctx, func(g *group) error {
		g.probe = true
		g.put(singleton, keyProbe, make([]byte, probeSize+rewritten*size))
		return nil
	})
	if err != nil {
		return err
	}
	return s.write(ctx, func(g *group) error {
		g.dirty = true // the commit removes the probe
		return nil
	})
}
