package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
	"crmsync/state/bolt"
)

// world is a dispatcher between a real store and a fake CRM.
type world struct {
	t     testing.TB
	crm   *fakeCRM
	store state.Store
	d     *Dispatcher

	options DispatcherOptions // of d
	log     strings.Builder
	sent    int
}

// testFields is a mapping small enough to read in a dump.
func testFields() map[crm.Object]map[string]mapping.Expression {
	expr := func(sources map[string]string) map[string]mapping.Expression {
		out := map[string]mapping.Expression{}
		for field, source := range sources {
			out[field] = mapping.Expression{Source: source, Variable: "CRMSYNC_MAP_" + field}
		}
		return out
	}
	return map[crm.Object]map[string]mapping.Expression{
		crm.Contact:  expr(map[string]string{"email": `user.email ?? ""`, "name": `user.name ?? ""`, "role": `user.role ?? ""`, "deleted": `deleted`}),
		crm.Company:  expr(map[string]string{"name": `org.name ?? ""`, "deleted": `deleted`}),
		crm.Activity: expr(map[string]string{"title": `call.title ?? ""`, "at": `isoTime(event.timestamp)`, "owner": `owner(user.email)`}),
	}
}

func newMapper(t testing.TB, change func(*mapping.Config)) *mapping.Mapper {
	t.Helper()
	c := mapping.Config{Fields: testFields()}
	if change != nil {
		change(&c)
	}
	m, err := mapping.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newWorld(t testing.TB, change func(*DispatcherOptions)) *world {
	t.Helper()
	w := &world{t: t, crm: newFakeCRM(t)}
	store, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.store = store
	t.Cleanup(func() {
		findings, err := store.Verify(context.Background())
		if err != nil || len(findings) > 0 {
			t.Errorf("verify: %v %v", findings, err)
		}
		store.Close()
	})
	w.restart(change)
	return w
}

// restart replaces the dispatcher, as a new process would.
func (w *world) restart(change func(*DispatcherOptions)) {
	o := DispatcherOptions{
		Store: w.store, Client: w.crm, Mapper: newMapper(w.t, nil),
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	w.options, w.d = o, NewDispatcher(o)
}

// accept stores events as the receiver does, at once, each under a new message
// id.
func (w *world) accept(bodies ...string) {
	w.t.Helper()
	var senders errgroup.Group
	senders.SetLimit(64)
	for _, body := range bodies {
		w.sent++
		m := newMessage(fmt.Sprintf("msg_%d", w.sent), []byte(body), time.Now())
		senders.Go(func() error {
			_, err := w.store.Accept(context.Background(), m)
			return err
		})
	}
	if err := senders.Wait(); err != nil {
		w.t.Fatal(err)
	}
}

// settle lets the dispatcher work until it has nothing to do at once.
func (w *world) settle() {
	w.t.Helper()
	for range 1000 {
		wait, err := w.d.step(context.Background())
		if err != nil {
			w.t.Fatal(err)
		}
		if wait > 0 {
			return
		}
	}
	w.t.Fatal("the dispatcher does not come to rest")
}

// start runs the dispatcher until stop, which waits for its end.
func (w *world) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.d.Run(ctx) }()
	return func() {
		w.t.Helper()
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

// deliver accepts and settles.
func (w *world) deliver(bodies ...string) {
	w.t.Helper()
	w.accept(bodies...)
	w.settle()
}

// want compares the CRM with lines of dump.
func (w *world) want(lines ...string) {
	w.t.Helper()
	if diff := cmp.Diff(lines, w.crm.dump(), cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("CRM: -want +got\n%s", diff)
	}
}

// status returns one event's status and reason, as "dead/refused".
func (w *world) status(id string) string {
	w.t.Helper()
	ev := w.event(id)
	if ev.Reason != "" {
		return string(ev.Status) + "/" + ev.Reason
	}
	return string(ev.Status)
}

func (w *world) event(id string) state.Event {
	w.t.Helper()
	ev, err := w.store.Event(context.Background(), id)
	if err != nil {
		w.t.Fatalf("event %s: %v", id, err)
	}
	return ev
}

func (w *world) stats() state.Stats {
	w.t.Helper()
	s, err := w.store.Stats(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if !s.Balanced() {
		w.t.Errorf("counts do not add up: %+v", s)
	}
	return s
}

// at is an envelope timestamp, n seconds into a day before the year 2000, in
// which the clock of a synctest bubble starts.
func at(n int) string {
	return time.Date(1999, 11, 2, 8, 0, n, 0, time.UTC).Format("2006-01-02T15:04:05.000000000")
}

func userEvent(id, verb, user string, n int, name, email string) string {
	return fmt.Sprintf(`{"id":%q,"type":"user.%s","timestamp":%q,"payload":{"user":{"id":%q,"orgId":"o1","email":%q,"name":%q,"role":"rep"}}}`,
		id, verb, at(n), user, email, name)
}

func orgEvent(id, verb, org string, n int, name string) string {
	return fmt.Sprintf(`{"id":%q,"type":"org.%s","timestamp":%q,"payload":{"org":{"id":%q,"name":%q}}}`, id, verb, at(n), org, name)
}

func callEvent(id, call, user string, n int, title string) string {
	body := map[string]any{
		"id": id, "type": "call.completed", "timestamp": at(n),
		"payload": map[string]any{"call": map[string]any{
			"id": call, "orgId": "o1", "title": title,
			"user": map[string]any{"id": user, "orgId": "o1", "name": "Snap " + user, "email": user + "@sales.example", "role": "rep"},
		}},
	}
	data, _ := json.Marshal(body)
	return string(data)
}
