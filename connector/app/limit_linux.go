package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// memoryBeside is what a process that verifies may use beside the file.
const memoryBeside = 2 << 30

// limitMemory bounds the address space of this process to what it has now, the
// mapped file, and memoryBeside.
func limitMemory(path string) error {
	info, err := stateInfo(path)
	if err != nil {
		return err
	}
	var pages uint64
	statm, err := os.ReadFile("/proc/self/statm") // the first number is the size of the address space
	if errors.Is(err, fs.ErrNotExist) {
		return nil // without /proc a limit would be a guess
	}
	if err == nil {
		_, err = fmt.Sscan(string(statm), &pages)
	}
	if err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	most := pages*uint64(os.Getpagesize()) + uint64(info.Size()) + memoryBeside
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	return nil
}
