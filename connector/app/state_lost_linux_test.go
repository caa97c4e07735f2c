package app_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A state that outgrows the memory that the connector may map: it says so and
// ends, so that it is started again, and nothing that it acknowledged is lost.
func TestEndToEnd_StateOutgrowsMemory(t *testing.T) {
	t.Parallel()
	_, url := newCRM(t)
	p := newConnector(t, url)
	p.start()
	p.stop()
	fillMap(t, filepath.Join(p.dir, "crmsync.db"))
	p.start()
	limitAddressSpace(t, p.cmd.Process.Pid, 512<<20)
	s := newStream(50)
	acknowledged, client := 0, &http.Client{Timeout: 15 * time.Second}
	for _, d := range s.shuffled() {
		if p.post(client, d) == http.StatusNoContent {
			acknowledged++
		}
	}
	err := <-p.ended
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 || !strings.Contains(p.log.String(), "no memory to map the state file") {
		t.Fatalf("ended with %v\n%s", err, p.log)
	}
	p.start()
	if status := p.settled(20 * time.Second); status.Received+status.Duplicates < acknowledged || !status.Balanced {
		t.Errorf("%d were acknowledged, now there are %+v", acknowledged, status)
	}
	p.stop()
}

// fillMap moves the end of the pages of a state file to that of the first map of
// it, 1 GiB. The pages in between take no room on the disk.
func fillMap(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const mapped, header, meta = 1 << 30, 16, 64 // of bbolt, as are the offsets
	if err := f.Truncate(mapped); err != nil {
		t.Fatal(err)
	}
	size := int64(os.Getpagesize())
	for _, at := range []int64{header, size + header} {
		b := make([]byte, meta)
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		binary.NativeEndian.PutUint64(b[40:], uint64(mapped/size-2))
		sum := fnv.New64a()
		sum.Write(b[:meta-8])
		binary.NativeEndian.PutUint64(b[meta-8:], sum.Sum64())
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
}

// limitAddressSpace lets a process grow by spare bytes.
func limitAddressSpace(t *testing.T, pid int, spare uint64) {
	t.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(statm))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	most := pages*uint64(os.Getpagesize()) + spare
	if out, err := exec.CommandContext(t.Context(), "prlimit", "--pid", strconv.Itoa(pid), fmt.Sprintf("--as=%d", most)).CombinedOutput(); err != nil {
		t.Fatalf("prlimit: %v %s", err, out)
	}
}
