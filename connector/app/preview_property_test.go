package app

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmsync/connector"
	"crmsync/crm"
	"crmsync/crm/sandbox"
	"crmsync/mapping"
	"crmsync/state"
	"crmsync/state/bolt"
)

// -previews runs more worlds than a usual run has time for. Each has 250 events.
var previewWorlds = flag.Uint64("previews", 4, "worlds in which previews are compared with runs")

// foretold is a world in which every round is previewed and then run: the real
// mapping, store, dispatcher and HubSpot client, and people who work in the CRM.
type foretold struct {
	t       *testing.T
	random  *rand.Rand
	server  *sandbox.Server
	store   *bolt.Store
	options connector.DispatcherOptions
	sent    int
}

// previewPolicies are those of the worlds, by turns.
var previewPolicies = [][]string{
	{},
	{"CONTACT_jobtitle=if_unchanged", "CONTACT_crmsync_team_id=on_create", "COMPANY_name=if_unchanged", "ACTIVITY_hs_call_title=if_unchanged"},
	{"CONTACT_jobtitle=if_empty", "CONTACT_crmsync_streak=if_unchanged", "COMPANY_name=if_empty", "ACTIVITY_hs_call_title=on_create"},
	{"CONTACT_jobtitle=on_create", "CONTACT_email=if_unchanged", "CONTACT_lastname=if_unchanged", "ACTIVITY_hs_call_body=if_unchanged"},
}

// A preview is right: about how each event ends, what becomes of each record,
// field and link, who is made the owner and what the CRM is asked. It writes
// nothing: a CRM that refuses everything but reads does not disturb it.
func TestPreview_ComesTrueWithHubSpot(t *testing.T) {
	for seed := range *previewWorlds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newForetold(t, seed)
			for range 5 {
				w.peopleWork()
				w.accept(50)
				w.round()
			}
		})
	}
}

func newForetold(t *testing.T, seed uint64) *foretold {
	server := useHubSpot(t)
	server.SetOwners([]sandbox.Owner{
		{ID: "71", Email: "p0@sales.example"}, {ID: "72", Email: "P1@sales.example"}, {ID: "73", Email: "lead@sales.example"},
		{ID: "74", Email: "p2@sales.example", Archived: true}, {ID: "75", Email: "p3@sales.example", Queue: true},
	})
	t.Setenv("CRMSYNC_MAP_CONTACT_jobtitle", "user.role")
	t.Setenv("CRMSYNC_MAP_ACTIVITY_hs_call_title", `truncate(call.title, 6)`)
	t.Setenv("CRMSYNC_RATE_LIMIT", "off")
	t.Setenv("CRMSYNC_USER_DELETED", []string{"mark", "ignore", "archive"}[seed%3])
	if seed%2 == 1 {
		t.Setenv("CRMSYNC_DEFAULT_OWNER", "73")
	}
	if seed%5 > 1 {
		t.Setenv("CRMSYNC_FILTER_USER", `user.status != "invited"`)
	}
	for _, policy := range previewPolicies[seed%uint64(len(previewPolicies))] {
		name, value, _ := strings.Cut(policy, "=")
		t.Setenv("CRMSYNC_POLICY_"+name, value)
	}
	if code, out, errOut := run(t, "setup"); code != exitOK {
		t.Fatalf("setup: %d\n%s%s", code, out, errOut)
	}
	cfg, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := mapping.New(cfg.Mapping)
	if err != nil {
		t.Fatal(err)
	}
	client, err := openClient(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &foretold{t: t, random: rand.New(rand.NewPCG(seed, 9)), server: server, store: store}
	w.options = deliveryOptions(cfg, store, client, mapper)
	w.options.Log = slog.New(slog.DiscardHandler)
	return w
}

// round previews what is pending, delivers it and compares.
func (w *foretold) round() {
	w.t.Helper()
	var events []state.Event
	pending, err := w.store.Events(w.t.Context(), state.EventFilter{Status: state.Pending})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range slices.Backward(pending) {
		e, err := w.store.Event(w.t.Context(), e.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		events = append(events, e)
	}
	before, links := w.records(), w.links()
	p := w.preview(events)
	asked := w.server.Requests()
	again := w.deliver()
	w.compareEvents(p, again)
	w.compareRecords(p, before, again)
	w.compareLinks(p, links)
	w.compareRequests(p, asked)
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// preview fails when the CRM is asked for anything but a read.
func (w *foretold) preview(events []state.Event) connector.Preview {
	w.t.Helper()
	remove := w.server.Fault(sandbox.Fault{Status: http.StatusInternalServerError, Match: func(r sandbox.Request) bool { return !isRead(r.Op) }})
	defer remove()
	writes := w.server.Writes()
	o := w.options
	o.Store = bookOf{store: w.store}
	p, err := connector.PreviewEvents(w.t.Context(), o, events)
	if err != nil || w.server.Writes() != writes {
		w.t.Fatalf("preview: %v, %d writes", err, w.server.Writes()-writes)
	}
	return p
}

// bookOf shows as much of a store as the preview command sees through the API: see
// book.
type bookOf struct {
	state.Store // nil: asked for nothing else
	store       state.Store
}

func (b bookOf) Links(ctx context.Context, lanes ...state.Lane) (map[state.Lane]state.Link, error) {
	return b.store.Links(ctx, lanes...)
}

func (b bookOf) Waiting(ctx context.Context, targets ...state.Lane) ([]state.Waiting, error) {
	return b.store.Waiting(ctx, targets...)
}

func (b bookOf) Objects(ctx context.Context, f state.ObjectFilter) ([]state.Link, error) {
	return b.store.Objects(ctx, f)
}

func (b bookOf) Event(ctx context.Context, id string) (state.Event, error) {
	return b.store.Event(ctx, id)
}

func isRead(op string) bool {
	return strings.HasPrefix(op, "GET ") || strings.HasSuffix(op, "/batch/read") || strings.HasSuffix(op, "/search")
}

// watchedStore says when a dispatcher finds nothing to do, and what it had to do
// again.
type watchedStore struct {
	state.Store
	idle  int // claims in a row that gave nothing
	rests context.CancelFunc
	again map[state.Lane]bool
}

func (s *watchedStore) Claim(ctx context.Context, o state.ClaimOptions) (state.Claim, error) {
	claim, err := s.Store.Claim(ctx, o)
	if s.idle++; len(claim.Events) > 0 {
		s.idle = 0
	} else if s.idle > 1 { // behind the first it made waiting links
		s.rests()
	}
	return claim, err
}

// Wake makes the dispatcher look again at once.
func (s *watchedStore) Wake() <-chan struct{} {
	woken := make(chan struct{})
	close(woken)
	return woken
}

func (s *watchedStore) Settle(ctx context.Context, b state.Batch) error {
	for _, lane := range b.Requeue {
		s.again[lane] = true
	}
	return s.Store.Settle(ctx, b)
}

// deliver returns the records that were written once more, since an address was
// given up after they had asked for it.
func (w *foretold) deliver() (again map[state.Lane]bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	o, watched := w.options, &watchedStore{Store: w.store, rests: cancel, again: map[state.Lane]bool{}}
	o.Store = watched
	if err := connector.NewDispatcher(o).Run(ctx); err != nil {
		w.t.Fatal(err)
	}
	return watched.again
}

// compareEvents finds each event ended as in its preview. Of one that was run
// again the end is that of the second run.
func (w *foretold) compareEvents(p connector.Preview, again map[state.Lane]bool) {
	w.t.Helper()
	for _, told := range p.Events {
		e, err := w.store.Event(w.t.Context(), told.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		if slices.ContainsFunc(e.Records, func(r state.Record) bool { return again[r.Lane()] }) {
			continue
		}
		status := told.Status
		if len(told.Records) != len(e.Records) {
			w.t.Errorf("event %s: told %+v, got %+v", told.ID, told.Records, e.Records)
			continue
		}
		for i, got := range e.Records {
			r := told.Records[i]
			if got.Action == string(crm.Updated) && r.Action == string(crm.Unchanged) && len(r.Links) == 0 {
				r.Action, status = got.Action, e.Status // HubSpot does not say that it had nothing to do
			}
			var kept []string
			for _, c := range r.Changes {
				if c.Kept != "" {
					kept = append(kept, c.Field)
				}
			}
			same := r.Object == got.Object && r.Key == got.Key && r.Action == got.Action && r.Note == got.Note &&
				r.SupersededBy == got.SupersededBy && slices.Equal(kept, got.Kept) && (r.RemoteID == "" || r.RemoteID == got.RemoteID)
			if !same {
				w.t.Errorf("event %s: told %+v, kept %v, got %+v", told.ID, r, kept, got)
			}
		}
		if status != e.Status || told.Reason != e.Reason {
			w.t.Errorf("event %s: told %s %s, got %s %s", told.ID, status, told.Reason, e.Status, e.Reason)
		}
	}
}

// objectNames are HubSpot's.
var objectNames = map[string]string{"contact": "contacts", "company": "companies", "activity": "calls"}

// records are the properties of all records that are not archived, by object and
// id.
func (w *foretold) records() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, object := range objectNames {
		for _, r := range w.server.Records(object) {
			if !r.Archived {
				all[object+" "+r.ID] = r.Properties
			}
		}
	}
	return all
}

// compareRecords does to the records of before what the preview told. Those that
// were written once more are left out.
func (w *foretold) compareRecords(p connector.Preview, before map[string]map[string]string, again map[state.Lane]bool) {
	w.t.Helper()
	ids := map[string]string{} // of our records, by object and key
	after := w.records()
	for id, properties := range after {
		object, _, _ := strings.Cut(id, " ")
		ids[object+" "+properties["crmsync_id"]] = id
	}
	for _, r := range everyRecord(p) {
		object := objectNames[r.Object]
		id := object + " " + r.RemoteID
		if r.RemoteID == "" {
			id = ids[object+" "+r.Key]
		}
		switch r.Action {
		case string(crm.Created):
			before[id] = map[string]string{}
		case string(crm.Archived):
			delete(before, id)
			continue
		}
		if before[id] == nil && len(r.Changes) > 0 {
			w.t.Errorf("%s %s: %s is told of a record that is not there: %+v", r.Object, r.Key, r.Action, r)
			continue
		}
		for _, c := range r.Changes {
			if now := before[id][c.Field]; now != c.Old {
				w.t.Errorf("%s %s: told that %s is %q, is %q", r.Object, r.Key, c.Field, c.Old, now)
			}
			if c.Kept == "" {
				before[id][c.Field] = c.New
			}
			if before[id][c.Field] == "" {
				delete(before[id], c.Field)
			}
		}
	}
	for lane := range again {
		id := ids[objectNames[lane.Object]+" "+lane.Key]
		delete(before, id)
		delete(after, id)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		w.t.Errorf("records: -told +got\n%s", diff)
	}
}

func everyRecord(p connector.Preview) []connector.RecordPreview {
	var all []connector.RecordPreview
	for _, e := range p.Events {
		all = append(all, e.Records...)
	}
	return append(all, p.Others...)
}

// links are the pairs of records that are linked, by object and key.
func (w *foretold) links() map[string]bool {
	keys := map[string]string{}
	for _, object := range objectNames {
		for _, r := range w.server.Records(object) {
			keys[object+" "+r.ID] = object + " " + r.Properties["crmsync_id"]
		}
	}
	all := map[string]bool{}
	for _, pair := range [][2]string{{"contacts", "companies"}, {"calls", "companies"}, {"calls", "contacts"}} {
		for _, ends := range w.server.Associations(pair[0], pair[1]) {
			all[keys[pair[0]+" "+ends[0]]+" → "+keys[pair[1]+" "+ends[1]]] = true
		}
	}
	return all
}

func (w *foretold) compareLinks(p connector.Preview, before map[string]bool) {
	w.t.Helper()
	for _, r := range everyRecord(p) {
		maps.DeleteFunc(before, func(link string, _ bool) bool { // with the record, which may come back
			from, to, _ := strings.Cut(link, " → ")
			gone := objectNames[r.Object] + " " + r.Key
			return r.Action == string(crm.Archived) && (from == gone || to == gone)
		})
	}
	for _, r := range everyRecord(p) {
		for _, l := range r.Links {
			link := objectNames[r.Object] + " " + r.Key + " → " + objectNames[l.Object] + " " + l.Key
			switch l.Action {
			case connector.LinkMake:
				before[link] = true
			case connector.LinkRemove:
				delete(before, link)
			}
		}
	}
	if diff := cmp.Diff(before, w.links()); diff != "" {
		w.t.Errorf("links: -told +got\n%s", diff)
	}
}

// compareRequests counts what was asked for, unless a conflict took more. What
// the client reads of contacts on its own account, such as the names of adopted
// ones, is not foretold.
func (w *foretold) compareRequests(p connector.Preview, before map[string]int) {
	w.t.Helper()
	n, reads := 0, 0
	for op, count := range w.server.Requests() {
		switch count -= before[op]; {
		case strings.HasPrefix(op, "GET "):
		case op == "POST objects/contacts/batch/read":
			reads += count
		default:
			n += count
		}
	}
	conflicts := slices.ContainsFunc(everyRecord(p), func(r connector.RecordPreview) bool {
		movesAddress := slices.ContainsFunc(r.Changes, func(c connector.FieldChange) bool { return c.Field == "email" && c.Old != "" })
		return r.Note != "" || r.Action == string(crm.Adopted) || movesAddress
	})
	if p.Requests > n+reads || !conflicts && p.Requests < n {
		w.t.Errorf("told %d requests, asked %d and %d reads of contacts", p.Requests, n, reads)
	}
}

// Who gives an address up and gets another one in the same round keeps that one,
// whoever asks for the first: the end is that of one event after the other.
func TestRound_TakesNoAddressThatHasJustCome(t *testing.T) {
	for _, together := range []bool{false, true} {
		w := newForetold(t, 0)
		user := func(verb, key, email string) {
			w.sent++
			w.keep(fmt.Appendf(nil, `{"id":"x%d","type":"user.%s","timestamp":"2025-11-01T08:00:%02d","payload":{"user":{"id":%q,"name":"N","email":%q}}}`,
				w.sent, verb, w.sent, key, email))
			if !together {
				w.deliver()
			}
		}
		user("created", "u4", "p5@s.example")
		user("created", "u5", "p6@s.example")
		w.deliver()
		user("created", "u6", "p6@s.example")
		user("deleted", "u5", "p5@s.example")
		user("updated", "u4", "p7@s.example")
		w.deliver()
		got := map[string]string{}
		for _, r := range w.server.Records("contacts") {
			got[r.Properties["crmsync_id"]] = r.Properties["email"]
		}
		want := map[string]string{"u4": "p7@s.example", "u5": "p5@s.example", "u6": "p6@s.example"}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("together %v: got, want:\n%s", together, diff)
		}
	}
}

// An address that a deleted user's contact has beside its own is not to be had:
// the contact keeps both, and who wants it is written without it.
func TestRound_LeavesFurtherAddressesAlone(t *testing.T) {
	w := newForetold(t, 0)
	user := func(verb, key, email string) {
		w.sent++
		w.keep(fmt.Appendf(nil, `{"id":"x%d","type":"user.%s","timestamp":"2025-11-01T08:00:%02d","payload":{"user":{"id":%q,"name":"N","email":%q}}}`,
			w.sent, verb, w.sent, key, email))
		w.round()
	}
	user("created", "u2", "old@s.example")
	id := w.server.Records("contacts")[0].ID
	w.server.EditRecord("contacts", id, map[string]string{"hs_additional_emails": "sec@s.example"})
	user("deleted", "u2", "old@s.example")
	user("created", "u1", "sec@s.example")
	e, err := w.store.Event(t.Context(), "x3")
	if err != nil || e.Status != state.Applied || e.Records[0].Note != "email_withheld" {
		t.Errorf("got %+v, %v", e, err)
	}
	if got := w.server.Records("contacts")[0].Properties["email"]; got != "old@s.example" {
		t.Errorf("the holder's own address is %q", got)
	}
}
