package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"crmsync/connector/app"
	"crmsync/state"
	"crmsync/state/bolt"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "state" { // started again by state verify
		os.Exit(app.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){
		"crmsync": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(app.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
		"mkstate": func() {
			if err := makeState(os.Args[1]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
	})
}

// TestCommands runs the scripts in testdata/script against real state files.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // a program built with -race waits a second at its end
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exitcode": exitcode, "await-health": awaitHealth},
	})
}

// exitcode runs a program that has to exit with a code: exitcode 2 program args...
func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode code program args...")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = strconv.Itoa(failed.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("%v: exit code %s, want %s", args[1:], got, args[0])
	}
}

// awaitHealth returns when the connector of the script is ready.
func awaitHealth(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: await-health")
	}
	const patience = 20 * time.Second
	for start := time.Now(); ts.Exec("crmsync", "health") != nil; {
		if time.Since(start) > patience {
			ts.Fatalf("the connector is not ready after %s", patience)
		}
	}
}

// epoch is when everything in the state of the scripts happened.
var epoch = time.Date(2025, 8, 1, 12, 0, 0, 0, time.UTC)

// makeState writes a state file in which every status occurs.
func makeState(path string) error {
	ctx := context.Background()
	store, err := bolt.Open(path, bolt.Options{Now: func() time.Time { return epoch.Add(time.Minute) }})
	if err != nil {
		return err
	}
	defer store.Close()
	for i, m := range scriptMessages() {
		m.ReceivedAt = epoch.Add(time.Duration(i) * time.Second)
		if _, err := store.Accept(ctx, m); err != nil {
			return err
		}
	}
	claim, err := store.Claim(ctx, state.ClaimOptions{Max: 100})
	if err != nil {
		return err
	}
	batch := state.Batch{Links: scriptLinks(), Binding: &state.Binding{Kind: "hubspot", Account: "api.hubapi.com"}}
	for _, e := range claim.Events {
		s := scriptSettlements()[e.ID]
		s.Seq, s.Attempted = e.Seq, true
		batch.Settlements = append(batch.Settlements, s)
	}
	if err := store.Settle(ctx, batch); err != nil {
		return err
	}
	return store.CountRejected(ctx, map[string]int64{"bad_signature": 2}, 0)
}

func scriptMessages() []state.Message {
	lane := func(object, key string) []state.Lane { return []state.Lane{{Object: object, Key: key}} }
	user := func(id, timestamp string) []byte {
		return fmt.Appendf(nil, `{"id":%q,"type":"user.updated","timestamp":%q,"payload":{"user":{"id":"u1","email":"lena@brightsales.example","name":"Lena Okafor"}}}`, id, timestamp)
	}
	first := state.Message{
		ID: "e-applied", MessageID: "msg_applied", Type: "user.updated", Key: "u1", OccurredAt: epoch,
		Lanes: lane("contact", "u1"), Body: user("e-applied", "2025-08-01T12:00:00Z"),
	}
	return []state.Message{
		first,
		{
			ID: "e-stale", MessageID: "msg_stale", Type: "user.updated", Key: "u1", OccurredAt: epoch.Add(-time.Hour),
			Lanes: lane("contact", "u1"), Body: user("e-stale", "2025-08-01T11:00:00Z"),
		},
		{
			ID: "e-dead", MessageID: "msg_dead", Type: "user.created", Key: "u2", OccurredAt: epoch,
			Lanes: lane("contact", "u2"), Body: []byte(`{"id":"e-dead","type":"user.created","timestamp":"2025-08-01T12:00:00Z","payload":{"user":{"id":"u2"}}}`),
		},
		{ID: "e-skipped", MessageID: "msg_skipped", Type: "team.created\x1b[2J", Body: []byte(`{"id":"e-skipped","type":"team.created"}`)},
		{
			ID: "e-pending", MessageID: "msg_pending", Type: "org.updated", Key: "o1", OccurredAt: epoch,
			Lanes: lane("company", "o1"), Body: []byte(`{"id":"e-pending","type":"org.updated","timestamp":"2025-08-01T12:00:00Z","payload":{"org":{"id":"o1"}}}`),
		},
		first,
	}
}

func scriptSettlements() map[string]state.Settlement {
	contact := func(key string) state.Record { return state.Record{Object: "contact", Key: key} }
	applied, stale, dead := contact("u1"), contact("u1"), contact("u2")
	applied.RemoteID, applied.Action, applied.Status = "501", "created", state.Applied
	stale.Action, stale.Status, stale.SupersededBy = "stale", state.Stale, "e-applied"
	dead.Action, dead.Status, dead.Reason = "none", state.Dead, state.ReasonRefused
	dead.Field, dead.Error, dead.RequestID = "email", "email is not valid", "req-1"
	return map[string]state.Settlement{
		"e-applied": {Status: state.Applied, Records: []state.Record{applied}},
		"e-stale":   {Status: state.Stale, Records: []state.Record{stale}},
		"e-dead":    {Status: state.Dead, Reason: state.ReasonRefused, Error: "email is not valid", Records: []state.Record{dead}},
		"e-skipped": {Status: state.Skipped, Reason: state.ReasonUnsupportedType},
		"e-pending": {Status: state.Pending, NotBefore: epoch.Add(time.Hour)},
	}
}

func scriptLinks() []state.Link {
	return []state.Link{
		{
			Lane: state.Lane{Object: "contact", Key: "u1"}, RemoteID: "501", Adopted: true,
			Version: state.Version{Source: 1, At: epoch, EventID: "e-applied"},
		},
		{
			Lane: state.Lane{Object: "company", Key: "o9"}, RemoteID: "77", Deleted: true,
			Version: state.Version{Source: 1, At: epoch, EventID: "e-gone"},
		},
	}
}
