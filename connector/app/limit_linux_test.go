package app

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// limitedBy makes this process the one that is limited.
var limitedBy = flag.String("limited.by", "", "internal: limit memory for this file, then ask for more")

var sink []byte // keeps the allocation

func TestLimitMemory_EndsAProcessThatWantsMore(t *testing.T) {
	if *limitedBy != "" {
		if err := limitMemory(*limitedBy); err != nil {
			t.Fatal(err)
		}
		sink = make([]byte, memoryBeside/8) // with -race it counts three times
		fmt.Println("a part of it")
		sink = make([]byte, 2*memoryBeside)
		fmt.Println("more than all of it")
		return
	}
	path := filepath.Join(t.TempDir(), "s.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(os.Args[0], "-test.run=^TestLimitMemory", "-limited.by="+path).Output()
	if err == nil || !strings.Contains(string(out), "a part of it") || strings.Contains(string(out), "more than") {
		t.Errorf("got %v\n%s", err, out)
	}
}
