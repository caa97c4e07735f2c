package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// loseState makes this process the one whose state outgrows its memory.
var loseState = flag.String("lose.state", "", "internal: fill this state file, with little memory")

// spareMemory is less than the next map of a state that fills the first one.
const spareMemory = 512 << 20

// TestStore_Lost lets a file outgrow its map in a process that cannot have a
// larger one: it says so, and what was acknowledged is there when the file is
// opened anew.
func TestStore_Lost(t *testing.T) {
	if *loseState != "" {
		fillUntilLost()
	}
	path := filepath.Join(t.TempDir(), "state.db")
	growToMap(t, path)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStore_Lost$", "-lose.state="+path)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // a second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	accepted := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := len(accepted) - 1; accepted[last] == "lost" {
		accepted = accepted[:last]
	} else {
		t.Fatalf("it ended with %q", accepted[last])
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, id := range accepted {
		if _, err := s.Event(t.Context(), id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := s.Accept(t.Context(), message("later")); err != nil {
		t.Error(err)
	}
}

// growToMap makes a state whose pages reach to the end of its first map. Those
// in between are lost to it: the file takes no room on the disk.
func growToMap(t *testing.T, path string) {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(initialMap); err != nil {
		t.Fatal(err)
	}
	size := int64(os.Getpagesize())
	for id := range int64(firstPage) {
		b := make([]byte, metaSize)
		if _, err := f.ReadAt(b, id*size+pageHeader); err != nil {
			t.Fatal(err)
		}
		binary.NativeEndian.PutUint64(b[40:], uint64(initialMap/size-2))
		sum := fnv.New64a()
		sum.Write(b[:metaSize-8])
		binary.NativeEndian.PutUint64(b[metaSize-8:], sum.Sum64())
		if _, err := f.WriteAt(b, id*size+pageHeader); err != nil {
			t.Fatal(err)
		}
	}
}

// fillUntilLost prints the ids of the events that it accepts, and "lost" when the
// store says so.
func fillUntilLost() {
	s, err := Open(*loseState, Options{})
	if err == nil {
		err = limitAddressSpace()
	}
	for i := 0; err == nil; i++ {
		m := message(fmt.Sprint(i))
		if _, err = s.Accept(context.Background(), m); err == nil {
			fmt.Println(m.ID)
		}
	}
	for _, err := range []error{err, s.Ready(context.Background()), s.view(context.Background(), nil)} {
		if !errors.Is(err, ErrLost) {
			fmt.Println("got", err)
		}
	}
	<-s.Lost()
	if err := s.Close(); err != nil {
		fmt.Println(err)
	}
	fmt.Println("lost")
	os.Exit(0)
}

func limitAddressSpace() error {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	var pages uint64
	if _, err := fmt.Sscan(string(statm), &pages); err != nil {
		return err
	}
	most := pages*uint64(os.Getpagesize()) + spareMemory
	return syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: most, Max: most})
}
