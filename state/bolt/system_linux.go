package bolt

import (
	"io/fs"
	"math"
	"syscall"
)

// ownerOf returns the user and the group that a file belongs to.
func ownerOf(info fs.FileInfo) (uid, gid int, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(s.Uid), int(s.Gid), true
}

// roomIn returns how many bytes this user may still write in a directory.
func roomIn(dir string) (int64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil || s.Bsize <= 0 || s.Bavail > uint64(math.MaxInt64/s.Bsize) {
		return 0, false
	}
	return int64(s.Bavail) * s.Bsize, true
}
