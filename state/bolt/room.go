package bolt

import "context"

// probeSize is about what a commit with an event needs beside its payload. Less
// may be found in free pages while no event can be accepted.
const probeSize = 64 << 10

// Room fails when an event of size bytes could not be stored now. It commits
// as much, because only that tells: a file may have free pages, a disk may
// have a quota. The next commit removes what it wrote.
func (s *Store) Room(ctx context.Context, size int) error {
	return s.write(ctx, func(g *group) error {
		g.probe = true
		g.put(singleton, keyProbe, make([]byte, probeSize+size))
		return nil
	})
}
