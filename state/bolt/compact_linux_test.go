package bolt_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crmsync/state/bolt"
)

// What makes this process the one that compacts a state.
var (
	compactState   = flag.String("compact.state", "", "internal: compact this state file and print the error")
	compactForever = flag.Bool("compact.forever", false, "internal: again and again until killed")
)

// compactTest is the test that such a process runs.
const compactTest = "-test.run=^TestCompact_Killed$"

// TestCompact_Killed kills a process that compacts, anywhere, and looks whether
// everything is where it was (I7).
func TestCompact_Killed(t *testing.T) {
	if *compactState != "" {
		compactUntilKilled()
	}
	path := large(t)
	want := entries(t, path)
	for range 15 {
		compactAndKill(t, path)
		findings, err := bolt.VerifyFile(t.Context(), path)
		if err != nil || len(findings) > 0 {
			t.Fatalf("verify: %v %v", findings, err)
		}
		if entries(t, path) != want {
			t.Fatal("the entries are not the same")
		}
		for _, name := range beside(t, path) {
			if name != "state.db.compacting" {
				t.Errorf("left behind: %s", name)
			}
		}
	}
	if _, _, err := bolt.Compact(path); err != nil {
		t.Error(err)
	}
	if left := beside(t, path); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// compactAndKill gives a child some part of the time that a compaction takes.
func compactAndKill(t *testing.T, path string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], compactTest, "-compact.state="+path, "-compact.forever")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "done\n" {
		t.Fatalf("child said %q %v", line, err)
	}
	time.AfterFunc(rand.N(50*time.Millisecond), func() { _ = child.Process.Kill() })
	if rest, err := io.ReadAll(lines); err != nil || strings.Trim(string(rest), "done\n") != "" {
		t.Errorf("child said %q %v", rest, err)
	}
	_ = child.Wait() // it was killed
}

func compactUntilKilled() {
	for {
		_, _, err := bolt.Compact(*compactState)
		switch {
		case err != nil:
			fmt.Println(err)
			os.Exit(0)
		case !*compactForever:
			os.Exit(0)
		}
		fmt.Println("done")
	}
}

// beside lists what stands in the directory of the file.
func beside(t *testing.T, path string) (names []string) {
	t.Helper()
	found, err := filepath.Glob(path + ".*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		names = append(names, filepath.Base(name))
	}
	return names
}

// Root compacts the file of the connector, which has to open it again.
func TestCompact_keepsTheOwner(t *testing.T) {
	needRoot(t)
	path := large(t)
	if err := os.Chown(path, otherUser, otherUser+1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bolt.Compact(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if of := info.Sys().(*syscall.Stat_t); of.Uid != otherUser || of.Gid != otherUser+1 {
		t.Errorf("it belongs to %d:%d", of.Uid, of.Gid)
	}
}

func TestCompact_needsRoom(t *testing.T) {
	needRoot(t)
	path := filled(t)
	s := open(t, path, bolt.Options{})
	m := delivery("large")
	m.Body = make([]byte, 2<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(m.Body)
	if _, err := s.Accept(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	closeClean(t, s)
	tests := []struct{ name, size, want string }{
		{"far too little", "2500K", "cannot be compacted: the copy needs at least"},
		{"too little", "4M", "finds no room"},
		{"enough", "16M", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			script := strings.NewReplacer("DIR", dir, "FILE", path, "SIZE", tt.size).Replace(
				`mount -t tmpfs -o size=SIZE none DIR; cp --sparse=always FILE DIR/state.db; cp DIR/state.db before
				"$@"; cmp DIR/state.db before >/dev/null || echo replaced; ls DIR`)
			cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private",
				"sh", "-ec", script, "sh", os.Args[0], compactTest, "-compact.state="+dir+"/state.db")
			cmd.Dir = t.TempDir()
			got := printed(t, cmd)
			if !strings.Contains(got, tt.want) || strings.Contains(got, "replaced") != (tt.want == "") || !strings.HasSuffix(got, "state.db\n") {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			if strings.Contains(got, "compacting\n") {
				t.Errorf("left behind: %s", got)
			}
		})
	}
}
