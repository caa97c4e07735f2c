package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// preview asks what delivering everything that is pending would do.
func (w *world) preview() (Preview, error) {
	w.t.Helper()
	pending, err := w.store.Events(context.Background(), state.EventFilter{Status: state.Pending})
	if err != nil {
		w.t.Fatal(err)
	}
	var events []state.Event
	for _, ev := range slices.Backward(pending) {
		events = append(events, w.event(ev.ID))
	}
	return PreviewEvents(context.Background(), w.options, events)
}

func (w *world) previewed() Preview {
	w.t.Helper()
	p, err := w.preview()
	if err != nil {
		w.t.Fatal(err)
	}
	if text, err := json.Marshal(p); err != nil || strings.Contains(string(text), ":null") {
		w.t.Errorf("a list is null: %s, %v", text, err)
	}
	return p
}

// inOrder stores events one behind the other.
func (w *world) inOrder(bodies ...string) {
	w.t.Helper()
	for _, body := range bodies {
		w.accept(body)
	}
}

// reads are the requests that change nothing.
func reads(request string) bool {
	return strings.HasPrefix(request, "describe") || strings.HasPrefix(request, "preview") || strings.HasPrefix(request, "compare") || request == "owners" || request == "ping"
}

// A preview is right about everything: how each event ends, what becomes of
// each record, which values its fields have then. And it writes nothing.
func TestPreview_TellsWhatTheRoundThenDoes(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			w := newWorld(t, func(o *DispatcherOptions) {
				o.UserDeleted = []DeletePolicy{DeleteMark, DeleteArchive, DeleteIgnore}[seed%3]
				if seed%2 == 0 {
					o.Mapper = newMapper(t, policies("contact.name", mapping.IfUnchanged, "contact.role", mapping.OnCreate,
						"company.name", mapping.IfEmpty, "activity.title", mapping.IfUnchanged))
				}
			})
			bodies := history(random, 60)
			random.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
			w.deliver(bodies[:30]...)
			w.crm.edit(random)
			w.accept(bodies[30:]...)
			before, sent := w.crm.dump(), w.crm.total()
			values := w.crm.values()

			p := w.previewed()

			if diff := cmp.Diff(before, w.crm.dump()); diff != "" {
				t.Fatalf("the preview wrote: %s", diff)
			}
			for _, request := range w.crm.requests[sent:] {
				if !reads(request) {
					t.Errorf("the preview sent %s", request)
				}
			}
			if _, err := w.d.step(context.Background()); err != nil {
				t.Fatal(err)
			}
			for _, ev := range p.Events {
				w.compare(ev)
			}
			for _, ev := range p.Events {
				for _, rec := range ev.Records {
					values.apply(rec)
				}
			}
			if diff := cmp.Diff(values, w.crm.values()); diff != "" {
				t.Errorf("values: -previewed +real\n%s", diff)
			}
		})
	}
}

// compare finds what an event ended as in its preview.
func (w *world) compare(p EventPreview) {
	w.t.Helper()
	ev := w.event(p.ID)
	if len(p.Records) != len(ev.Records) {
		w.t.Errorf("event %s: previewed %d records, has %d", p.ID, len(p.Records), len(ev.Records))
		return
	}
	for i, rec := range ev.Records {
		got := p.Records[i]
		action := got.Action
		if rec.Action == string(crm.Updated) && action == string(crm.Unchanged) {
			action, p.Status = rec.Action, ev.Status // the CRM does not say that it had nothing to do
		}
		if got.Object != rec.Object || got.Key != rec.Key || action != rec.Action || got.SupersededBy != rec.SupersededBy || got.Note != rec.Note {
			w.t.Errorf("event %s: previewed %+v, is %+v", p.ID, got, rec)
		}
	}
	if ev.Status != p.Status || ev.Reason != p.Reason {
		w.t.Errorf("event %s: previewed %s %s, is %s %s", p.ID, p.Status, p.Reason, ev.Status, ev.Reason)
	}
}

// crmValues are the fields of our records as text, by lane.
type crmValues map[string]map[string]string

func (f *fakeCRM) values() crmValues {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := crmValues{}
	for _, rec := range f.records {
		out[string(rec.object)+":"+rec.key] = texts(rec.fields)
	}
	return out
}

func texts(fields crm.Fields) map[string]string {
	out := map[string]string{}
	for name, v := range fields {
		out[name] = fmt.Sprint(v)
	}
	return out
}

// apply does to the values what a preview says.
func (v crmValues) apply(rec RecordPreview) {
	lane := rec.Object + ":" + rec.Key
	if rec.Action == string(crm.Archived) {
		delete(v, lane)
		return
	}
	if v[lane] == nil && rec.Action == string(crm.Created) {
		v[lane] = map[string]string{}
	}
	for _, c := range rec.Changes {
		if c.Kept != "" {
			continue
		}
		if v[lane][c.Field] != c.Old {
			v[lane][c.Field] = "not " + c.Old
			continue
		}
		v[lane][c.Field] = c.New
		if c.New == "" {
			delete(v[lane], c.Field)
		}
	}
}

// Preview implements crm.Previewer by trying on a copy.
func (f *fakeCRM) Preview(_ context.Context, object crm.Object, records []crm.Record) ([]crm.Preview, error) {
	var keys []string
	for _, r := range records {
		keys = append(keys, r.Key)
		if strings.HasPrefix(r.RemoteID, pretended) {
			f.t.Errorf("the CRM is asked for %q", r.RemoteID)
		}
	}
	if _, err := f.enter("preview "+string(object), keys); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]crm.Preview, len(records))
	for i, r := range records {
		trial := f.copy()
		r.Adopted = true // a preview need not be asked twice
		old := map[string]string{}
		res := trial.upsert(object, r)
		if rec := f.records[res.RemoteID]; rec != nil {
			old = texts(rec.fields)
		}
		out[i] = crm.Preview{Action: res.Action, RemoteID: res.RemoteID, Err: res.Err}
		if object == crm.Contact {
			out[i].Proof = "email"
		}
		if res.Err != nil && crm.AsError(res.Err).Holder == nil {
			continue
		}
		if res.Err != nil { // what if nobody held the address
			trial = f.copy()
			delete(trial.records[crm.AsError(res.Err).Holder.RemoteID].fields, "email")
			maps.DeleteFunc(trial.emails, func(_ string, rec *fakeRecord) bool { return rec.fields["email"] == nil })
			res = trial.upsert(object, r)
			if rec := f.records[res.RemoteID]; rec != nil {
				old = texts(rec.fields)
			}
			out[i].Action, out[i].RemoteID = res.Action, res.RemoteID
		}
		now := texts(trial.records[res.RemoteID].fields)
		for field := range r.Fields {
			if old[field] != now[field] {
				out[i].Changes = append(out[i].Changes, crm.Change{Field: field, Old: old[field], New: now[field]})
			}
		}
		switch {
		case res.Action == crm.Created:
			out[i].RemoteID = ""
		case len(out[i].Changes) == 0 && res.Action == crm.Updated:
			out[i].Action = crm.Unchanged
		}
	}
	return out, nil
}

// copy returns a CRM with the same contents.
func (f *fakeCRM) copy() *fakeCRM {
	c := newFakeCRM(f.t)
	c.nextID, c.judge = f.nextID, f.judge
	twins := map[*fakeRecord]*fakeRecord{}
	twin := func(rec *fakeRecord) *fakeRecord {
		if twins[rec] == nil {
			t := *rec
			t.fields = maps.Clone(rec.fields)
			twins[rec] = &t
		}
		return twins[rec]
	}
	for id, rec := range f.records {
		c.records[id] = twin(rec)
	}
	for key, rec := range f.keys {
		c.keys[key] = twin(rec)
	}
	for email, rec := range f.emails {
		c.emails[email] = twin(rec)
	}
	return c
}

func TestPreview_ShowsValuesLinksAndWhatIsOdd(t *testing.T) {
	w := newWorld(t, func(o *DispatcherOptions) {
		o.Mapper = newMapper(t, func(c *mapping.Config) {
			c.Fields[crm.Activity]["title"] = mapping.Expression{Source: `truncate(call.title, 4)`, Variable: "CRMSYNC_MAP_ACTIVITY_title"}
			c.Fields[crm.Activity]["at"] = mapping.Expression{Source: `unixMillis(raw.payload.call.title)`, Variable: "CRMSYNC_MAP_ACTIVITY_at"}
		})
	})
	w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "jonas@sales.example"))
	w.inOrder(
		userEvent("e2", "updated", "u1", 2, "Jonas B", ""),
		callEvent("e3", "c1", "u1", 3, "A long title"),
		strings.ReplaceAll(callEvent("e4", "c2", "u2", 4, "Call"), "u2@sales.example", "jonas@sales.example"),
	)
	p := w.previewed()
	call := p.Events[1].Records[1]
	want := RecordPreview{
		Object: "activity", Key: "c1", Action: "created",
		Changes: []FieldChange{
			{Change: crm.Change{Field: "title", New: "A lo", FullLength: 12}},
		},
		Links: []LinkPreview{{"contact", "u1", LinkMake}, {"company", "o1", LinkWait}},
	}
	if diff := cmp.Diff(want, call); diff != "" {
		t.Errorf("call: %s", diff)
	}
	wantUser := []FieldChange{
		{Change: crm.Change{Field: "email", Old: "jonas@sales.example"}},
		{Change: crm.Change{Field: "name", Old: "Jonas", New: "Jonas B"}},
	}
	if diff := cmp.Diff(wantUser, p.Events[0].Records[0].Changes); diff != "" {
		t.Errorf("user: %s", diff)
	}
	if ev := p.Events[1]; len(ev.Withheld) != 1 || ev.Withheld[0].Field != "at" || !slices.Equal(ev.NoOwner, []string{"u1@sales.example"}) {
		t.Errorf("event %+v", ev)
	}
	owned := p.Events[2].Records[1].Changes
	if i := slices.IndexFunc(owned, func(c FieldChange) bool { return c.Field == "owner" }); i < 0 || owned[i].New != "own-1" || owned[i].Owner != "jonas@sales.example" {
		t.Errorf("owner: %+v", owned)
	}
	if p.Requests == 0 {
		t.Error("no requests")
	}
}

// Nobody has to guess why a record goes to the owner of whoever has none, also
// when that owner has an address of their own.
func TestPreview_TellsForWhichAddressAnOwnerWasLookedUp(t *testing.T) {
	for email, byDefault := range map[string]bool{"nobody@sales.example": true, "jonas@sales.example": false} {
		w := newWorld(t, func(o *DispatcherOptions) { o.DefaultOwner = "own-1" })
		w.accept(strings.ReplaceAll(callEvent("e1", "c1", "u1", 1, "Call"), "u1@sales.example", email))
		changes := w.previewed().Events[0].Records[1].Changes
		i := slices.IndexFunc(changes, func(c FieldChange) bool { return c.Field == "owner" })
		if i < 0 || changes[i].New != "own-1" || changes[i].Owner != email || changes[i].DefaultOwner != byDefault {
			t.Errorf("%s: %+v", email, changes)
		}
	}
}

// The address of a deleted user moves to the living one: both records change.
func TestPreview_ShowsWhoGivesAnAddressUp(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(
		userEvent("e1", "created", "u1", 1, "Old", "shared@sales.example"),
		userEvent("e2", "deleted", "u1", 2, "Old", "shared@sales.example"),
	)
	w.accept(userEvent("e3", "created", "u2", 3, "New", "shared@sales.example"))
	p := w.previewed()
	if len(p.Others) != 1 || p.Others[0].Key != "u1" || len(p.Others[0].Changes) != 1 || p.Others[0].Changes[0].New != "" {
		t.Errorf("others: %+v", p.Others)
	}
	rec := p.Events[0].Records[0]
	i := slices.IndexFunc(rec.Changes, func(c FieldChange) bool { return c.Field == "email" })
	if rec.Action != "created" || rec.RemoteID != "" || i < 0 || rec.Changes[i].New != "shared@sales.example" {
		t.Errorf("record: %+v", rec)
	}
}

// What the events make possible for other records is told too: links that
// waited, and an address that somebody gives up.
func TestPreview_ShowsWhatWaits(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(
		userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"),
	)
	w.deliver(userEvent("e2", "created", "u2", 2, "Other", "j@sales.example"))
	w.inOrder(orgEvent("e3", "updated", "o1", 3, "Bright"), userEvent("e4", "updated", "u1", 4, "Jonas", "new@sales.example"))
	p := w.previewed()
	want := []RecordPreview{
		{
			Object: "contact", Key: "u2", RemoteID: "r2", Action: "updated", Links: []LinkPreview{},
			Changes: []FieldChange{{Change: crm.Change{Field: "email", New: "j@sales.example"}}},
			Note:    "the value that it waits for is given up",
		},
		{
			Object: "contact", Key: "u2", RemoteID: "r2", Action: "updated", Changes: []FieldChange{},
			Links: []LinkPreview{{"company", "o1", LinkMake}},
		},
	}
	if diff := cmp.Diff(want, p.Others); diff != "" {
		t.Errorf("others: %s", diff)
	}
	before := w.crm.total()
	for range 2 { // u2 once more
		if _, err := w.d.step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	writes := 0
	for _, request := range w.crm.requests[before:] {
		if !reads(request) {
			writes++
		}
	}
	if p.Requests != writes {
		t.Errorf("%d requests previewed, %d sent", p.Requests, writes)
	}
	if got := w.crm.values()["contact:u2"]["email"]; got != "j@sales.example" {
		t.Errorf("u2 has the address %q", got)
	}
}

// Of two with one address the second is tried again whenever the first is
// written. That changes nothing as long as the first keeps the address.
func TestPreview_LeavesOutWhoWouldWaitOn(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
	w.inOrder(userEvent("e2", "updated", "u1", 2, "Jonas B", "j@sales.example"), userEvent("e3", "created", "u2", 3, "Other", "j@sales.example"))
	p := w.previewed()
	if second := p.Events[1].Records[0]; second.Note != "email"+NoteWithheld || len(p.Others) != 0 {
		t.Errorf("record %+v, others %+v", second, p.Others)
	}
}

func TestPreview_SaysWhatWouldBeRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.judge = func(crm.Record) *crm.Error {
		return &crm.Error{Kind: crm.Invalid, Code: "BAD", Field: "role", Message: "rep is not an option"}
	}
	w.accept(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
	w.accept(`{"type":"user.created"}`)
	p := w.previewed()
	ev := p.Events[0]
	if ev.Status != state.Dead || ev.Reason != "refused" || !strings.Contains(ev.Records[0].Error, "BAD") {
		t.Errorf("event: %+v", ev)
	}
	if bad := p.Events[1]; bad.Status != state.Dead || len(bad.Records) != 0 {
		t.Errorf("event: %+v", bad)
	}
}

// What would pause an object is said as it would be then.
func TestPreview_SaysWhatWouldPause(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.retypeField(true)
	w.crm.judge = func(crm.Record) *crm.Error {
		return &crm.Error{Kind: crm.Invalid, Code: "INVALID_NUMBER", Field: "role"}
	}
	w.accept(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
	if p, err := w.preview(); err == nil || !strings.Contains(err.Error(), "CRMSYNC_MAP_role: field role of contact takes a number") {
		t.Errorf("got %v, %+v", err, p)
	}
	w.settle()
	w.wantPaused("contact", "CRMSYNC_MAP_role: field role of contact takes a number")
}

func TestPreview_FailsWhenTheCRMCannotBeRead(t *testing.T) {
	for name, err := range map[string]error{
		"refused credentials": &crm.Error{Kind: crm.Unauthorized, Status: 401, Message: "no"},
		"outage":              &crm.Error{Status: 503, Message: "down"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.crm.before = func(string, []string) error { return err }
			w.accept(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
			if _, err := w.preview(); err == nil || !strings.Contains(err.Error(), "fake: ") {
				t.Errorf("error %v", err)
			}
		})
	}
	o := newWorld(t, nil).options
	o.Client = struct{ crm.Client }{o.Client}
	if _, err := PreviewEvents(context.Background(), o, nil); !errors.Is(err, ErrNoPreview) {
		t.Errorf("error %v", err)
	}
}
