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
	"testing"
	"time"

	"crmsync/state"
	"crmsync/state/bolt"
)

// crashState makes this process the one that is killed.
var crashState = flag.String("crash.state", "", "internal: work on this state file until killed")

// TestCrash kills a process that works on a state file, again and again, and
// looks whether everything that it had acknowledged is there (I1, I7).
func TestCrash(t *testing.T) {
	if *crashState != "" {
		workUntilKilled(t, *crashState)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	acknowledged := make(map[string]state.Status)
	for range 10 {
		runAndKill(t, path, acknowledged)
		checkAcknowledged(t, path, acknowledged)
	}
	settled := 0
	for _, status := range acknowledged {
		if status == state.Applied {
			settled++
		}
	}
	if len(acknowledged) < 20 || settled == 0 {
		t.Errorf("only %d events, %d settled: the test tested nothing", len(acknowledged), settled)
	}
}

// runAndKill notes what a child acknowledges until it is killed after some
// number of lines.
func runAndKill(t *testing.T, path string, acknowledged map[string]state.Status) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestCrash$", "-crash.state="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	last := 20 + rand.IntN(200)
	for n := 0; ; n++ {
		if n == last {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // killed; half a line does not count
		}
		if err != nil {
			t.Fatal(err)
		}
		what, id, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || (what != "pending" && what != "applied") {
			t.Fatalf("child said %q", line)
		}
		if state.Status(what) == state.Applied || acknowledged[id] == "" {
			acknowledged[id] = state.Status(what)
		}
		if n > 10_000 {
			t.Fatal("child does not die")
		}
	}
	_ = child.Wait() // says that it was killed
}

func checkAcknowledged(t *testing.T, path string, acknowledged map[string]state.Status) {
	t.Helper()
	s := open(t, path, bolt.Options{})
	defer closeClean(t, s)
	for id, status := range acknowledged {
		e, err := s.Event(t.Context(), id)
		if err != nil {
			t.Fatalf("%s was acknowledged: %v", id, err)
		}
		links, err := s.Links(t.Context(), e.Lanes...)
		if err != nil {
			t.Fatal(err)
		}
		if status == state.Applied && (e.Status != state.Applied || len(links) != len(e.Lanes)) {
			t.Errorf("%s was settled: it is %s and has %d links", id, e.Status, len(links))
		}
		if (e.Status == state.Applied) != (len(links) > 0) {
			t.Errorf("%s is %s and has %d links: half a batch", id, e.Status, len(links))
		}
	}
}

// closeClean closes s after it has passed Verify.
func closeClean(t testing.TB, s state.Store) {
	t.Helper()
	findings, err := s.Verify(t.Context())
	if err != nil || len(findings) > 0 {
		t.Errorf("verify: %v, %v", findings, err)
	}
	stats, err := s.Stats(t.Context())
	if err != nil || !stats.Balanced() {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// workUntilKilled accepts from several goroutines and settles, and says what
// was acknowledged.
func workUntilKilled(t *testing.T, path string) {
	s := open(t, path, bolt.Options{})
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				m := delivery(fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i))
				if _, err := s.Accept(t.Context(), m); err != nil {
					panic(err)
				}
				fmt.Println("pending", m.ID)
			}
		}()
	}
	for range s.Wake() {
		claim, err := s.Claim(t.Context(), state.ClaimOptions{Max: 20})
		if err != nil {
			panic(err)
		}
		if err := s.Settle(t.Context(), applied(claim.Events)); err != nil {
			panic(err)
		}
		for _, e := range claim.Events {
			fmt.Println("applied", e.ID)
		}
	}
}

// delivery is a message about a call of that name.
func delivery(name string) state.Message {
	return state.Message{
		ID: "evt-" + name, MessageID: "msg_" + name, Type: "call.completed", Key: name,
		OccurredAt: time.Date(2026, 11, 18, 15, 42, 9, 0, time.UTC), ReceivedAt: time.Now(),
		Lanes: []state.Lane{{Object: "activity", Key: name}, {Object: "contact", Key: name}},
		Body:  fmt.Appendf(nil, `{"call":{"id":%q}}`, name),
	}
}

// applied ends the events with their records written.
func applied(events []state.Event) state.Batch {
	var b state.Batch
	for _, e := range events {
		st := state.Settlement{Seq: e.Seq, Status: state.Applied, Attempted: true}
		for _, lane := range e.Lanes {
			st.Records = append(st.Records, state.Record{
				Object: lane.Object, Key: lane.Key, RemoteID: "51234567890", Action: "created", Status: state.Applied,
			})
			b.Links = append(b.Links, state.Link{Lane: lane, RemoteID: "51234567890", Version: state.Version{EventID: e.ID}})
		}
		b.Settlements = append(b.Settlements, st)
	}
	return b
}
