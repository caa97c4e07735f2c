package connector

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// policies changes a mapping: pairs are "object.field" and a mapping.Policy.
func policies(pairs ...any) func(*mapping.Config) {
	return func(c *mapping.Config) {
		for i := 0; i < len(pairs); i += 2 {
			object, field, _ := strings.Cut(pairs[i].(string), ".")
			e := c.Fields[crm.Object(object)][field]
			e.Policy = pairs[i+1].(mapping.Policy)
			c.Fields[crm.Object(object)][field] = e
		}
	}
}

func policyWorld(t *testing.T, pairs ...any) *world {
	return newWorld(t, func(o *DispatcherOptions) { o.Mapper = newMapper(t, policies(pairs...)) })
}

// set writes a field of a record as a person does.
func (f *fakeCRM) set(object crm.Object, key, field, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if value == "" {
		delete(f.find(object, key).fields, field)
		return
	}
	f.find(object, key).fields[field] = value
}

// edit lets people change, clear and delete a few things.
func (f *fakeCRM) edit(random *rand.Rand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, rec := range f.records {
		field := map[crm.Object]string{crm.Contact: "name", crm.Company: "name", crm.Activity: "title"}[rec.object]
		switch random.IntN(6) {
		case 0:
			rec.fields[field] = "edited " + id
		case 1:
			delete(rec.fields, field)
		}
	}
}

// step of a story: an event says name, then a person may write something.
type policyStep struct {
	name   string // what the event says
	want   string // what the CRM holds then
	kept   bool
	person string // what a person writes afterwards; "-" clears, "" does nothing
}

func TestPolicy_SaysWhoWins(t *testing.T) {
	for _, tt := range []struct {
		policy mapping.Policy
		story  string
		steps  []policyStep
	}{
		{mapping.Always, "the event", []policyStep{
			{name: "A", want: "A", person: "P"}, {name: "B", want: "B"},
		}},
		{mapping.OnCreate, "whoever comes after us", []policyStep{
			{name: "A", want: "A"}, {name: "B", want: "A", kept: true, person: "P"}, {name: "C", want: "P", kept: true, person: "-"},
			{name: "D", want: "", kept: true},
		}},
		{mapping.IfEmpty, "the first", []policyStep{
			{name: "A", want: "A"}, {name: "B", want: "A", kept: true, person: "P"}, {name: "C", want: "P", kept: true, person: "-"},
			{name: "D", want: "D"},
		}},
		{mapping.IfUnchanged, "a person", []policyStep{
			{name: "A", want: "A"}, {name: "B", want: "B", person: "P"}, {name: "C", want: "P", kept: true}, {name: "D", want: "P", kept: true},
		}},
		{mapping.IfUnchanged, "a person who clears", []policyStep{
			{name: "A", want: "A", person: "-"}, {name: "B", want: "", kept: true},
		}},
		{mapping.IfUnchanged, "a person, until the value is ours again", []policyStep{
			{name: "A", want: "A", person: "P"}, {name: "B", want: "P", kept: true, person: "A"}, {name: "C", want: "C"}, {name: "D", want: "D"},
		}},
		{mapping.IfUnchanged, "nobody: the person wrote what we would have", []policyStep{
			{name: "A", want: "A", person: "B"}, {name: "B", want: "B"}, {name: "C", want: "C"},
		}},
		{mapping.IfUnchanged, "the event that clears", []policyStep{
			{name: "A", want: "A"}, {name: "", want: ""}, {name: "B", want: "B"},
		}},
	} {
		t.Run(fmt.Sprintf("%s: %s", tt.policy, tt.story), func(t *testing.T) {
			w := policyWorld(t, "contact.name", tt.policy)
			for i, step := range tt.steps {
				id := fmt.Sprintf("e%d", i)
				w.accept(userEvent(id, "updated", "u1", i, step.name, "j@sales.example"))
				previewed := w.previewed().Events[0].Records[0]
				w.settle()
				got, _ := w.crm.get(crm.Contact, "u1").fields["name"].(string)
				rec := w.event(id).Records[0]
				if got != step.want || slices.Contains(rec.Kept, "name") != step.kept {
					t.Errorf("%s: got %q, kept %v, want %q, kept %t", id, got, rec.Kept, step.want, step.kept)
				}
				change := slices.IndexFunc(previewed.Changes, func(c FieldChange) bool { return c.Field == "name" && c.Kept != "" })
				if (change >= 0) != step.kept || step.kept && previewed.Changes[change].Kept != tt.policy {
					t.Errorf("%s: previewed %+v", id, previewed.Changes)
				}
				switch step.person {
				case "":
				case "-":
					w.crm.set(crm.Contact, "u1", "name", "")
				default:
					w.crm.set(crm.Contact, "u1", "name", step.person)
				}
			}
		})
	}
}

// A record that a person created is a person's: it keeps every field that a
// policy protects.
func TestPolicy_RespectsAnAdoptedRecord(t *testing.T) {
	for policy, want := range map[mapping.Policy][2]string{ // a field with a value, one without
		mapping.Always:      {"rep", "Jonas"},
		mapping.OnCreate:    {"chief", ""},
		mapping.IfEmpty:     {"chief", "Jonas"},
		mapping.IfUnchanged: {"chief", "Jonas"},
	} {
		w := policyWorld(t, "contact.role", policy, "contact.name", policy)
		w.crm.add(crm.Contact, crm.Fields{"email": "j@sales.example", "role": "chief"})
		w.accept(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		var previewed []string
		for _, c := range w.previewed().Events[0].Records[0].Changes {
			if c.Kept != "" {
				previewed = append(previewed, c.Field)
			}
		}
		w.settle()
		if kept := w.event("e1").Records[0].Kept; !slices.Equal(previewed, kept) {
			t.Errorf("%s: previewed %v as kept, was %v", policy, previewed, kept)
		}
		rec := w.crm.get(crm.Contact, "u1")
		role, name := rec.fields["role"], rec.fields["name"]
		if name == nil {
			name = ""
		}
		if role != want[0] || name != want[1] || w.event("e1").Records[0].Action != "adopted" {
			t.Errorf("%s: got %v and %q, want %q", policy, role, name, want)
		}
	}
}

// A record that a person deleted is created again, with everything.
func TestPolicy_WritesEverythingIntoARecordThatComesBack(t *testing.T) {
	for _, policy := range mapping.Policies() {
		w := policyWorld(t, "contact.role", policy, "contact.name", policy)
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.crm.remove(w.crm.get(crm.Contact, "u1").id)
		w.deliver(userEvent("e2", "updated", "u1", 2, "Jonas W", "j@sales.example"))
		w.want(`contact u1 map[deleted:false email:j@sales.example name:Jonas W role:rep]`)
	}
}

// What we wrote and could not settle is not a person's edit, even when a newer
// event comes first.
func TestPolicy_KnowsItsOwnValueAfterALostSettlement(t *testing.T) {
	w := policyWorld(t, "contact.name", mapping.IfUnchanged)
	w.deliver(userEvent("e1", "created", "u1", 1, "A", "j@sales.example"))
	lost := false
	w.restart(func(o *DispatcherOptions) {
		o.Mapper = newMapper(t, policies("contact.name", mapping.IfUnchanged))
		o.Store = &forgetfulStore{w.store, func() bool {
			first := !lost && w.crm.get(crm.Contact, "u1").fields["name"] == "B"
			lost = lost || first
			return first
		}}
	})
	w.accept(userEvent("e2", "updated", "u1", 2, "B", "j@sales.example"))
	if _, err := w.d.step(context.Background()); err == nil || !lost {
		t.Fatal("the settlement was not lost")
	}
	w.deliver(userEvent("e3", "updated", "u1", 3, "C", "j@sales.example"))
	w.want(`contact u1 map[deleted:false email:j@sales.example name:C role:rep]`)
}

// Nothing is sent that could not be remembered.
func TestPolicy_SendsNothingWhenTheStateCannotBeWritten(t *testing.T) {
	w := policyWorld(t, "contact.name", mapping.IfUnchanged)
	broken := true
	w.restart(func(o *DispatcherOptions) {
		o.Mapper = newMapper(t, policies("contact.name", mapping.IfUnchanged))
		o.Store = &forgetfulStore{w.store, func() bool { return broken }}
	})
	w.accept(userEvent("e1", "created", "u1", 1, "A", "j@sales.example"))
	if _, err := w.d.step(context.Background()); err == nil || w.crm.count("upsert contact") > 0 {
		t.Fatalf("got %v and %d requests", err, w.crm.count("upsert contact"))
	}
	if s := w.d.CRMState(); s.State != StateOK {
		t.Errorf("the CRM is blamed: %+v", s)
	}
	broken = false
	w.settle()
	w.want(`contact u1 map[deleted:false email:j@sales.example name:A role:rep]`)
}

// The CRM is read once a batch, and not at all where no policy asks for it.
func TestPolicy_ReadsOnceABatch(t *testing.T) {
	var bodies []string
	for i := range 250 {
		bodies = append(bodies, userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), 1, "A", fmt.Sprintf("%d@sales.example", i)),
			orgEvent(fmt.Sprintf("f%d", i), "updated", fmt.Sprintf("o%d", i), 1, "Org"))
	}
	w := policyWorld(t, "contact.name", mapping.IfUnchanged, "contact.role", mapping.OnCreate)
	fails := 1
	w.crm.before = func(op string, _ []string) error {
		if op == "upsert contact" && fails > 0 {
			fails--
			return tookEffect{&crm.Error{Status: 502}}
		}
		return nil
	}
	w.deliver(bodies...)
	if n := w.crm.batches["compare contact"]; !slices.Equal(n, []int{100, 100, 50}) || w.crm.count("compare company") > 0 {
		t.Errorf("contacts were compared %v times, companies %d times", n, w.crm.count("compare company"))
	}
	if n := w.crm.batches["upsert contact"]; !slices.Equal(n, []int{100, 100, 100, 50}) {
		t.Errorf("contacts were written in batches of %v", n)
	}
}

// A CRM that cannot be read is not written, and the records arrive later.
func TestPolicy_WritesNothingBlindly(t *testing.T) {
	w := policyWorld(t, "contact.name", mapping.IfEmpty)
	w.crm.before = func(op string, _ []string) error {
		if strings.HasPrefix(op, "compare") {
			return &crm.Error{Kind: crm.Unauthorized, Status: 403}
		}
		return nil
	}
	w.deliver(userEvent("e1", "created", "u1", 1, "A", "j@sales.example"))
	if got := w.status("e1"); got != "pending" || w.crm.count("upsert contact") > 0 {
		t.Errorf("the event is %s after %d writes", got, w.crm.count("upsert contact"))
	}
	t.Run("a client that cannot compare", func(t *testing.T) {
		w := newWorld(t, nil)
		w.restart(func(o *DispatcherOptions) {
			o.Client = struct{ crm.Client }{w.crm}
			o.Mapper = newMapper(t, policies("contact.name", mapping.IfEmpty))
		})
		w.deliver(userEvent("e1", "created", "u1", 1, "A", "j@sales.example"))
		if s := w.d.CRMState(); !slices.Contains(s.PausedObjects, "contact") || w.crm.count("upsert contact") > 0 {
			t.Errorf("state %+v after %d writes", s, w.crm.count("upsert contact"))
		}
	})
}

// Another policy makes a record come out different: resync writes it.
func TestPolicy_IsPartOfWhatARecordIs(t *testing.T) {
	fields, targets := crm.Fields{"name": "A"}, []state.Target{}
	plain := hashOf(fields, targets, nil)
	if diff := cmp.Diff(plain, hashOf(fields, targets, map[string]mapping.Policy{})); diff != "" {
		t.Errorf("no policy: %s", diff)
	}
	if slices.Equal(plain, hashOf(fields, targets, map[string]mapping.Policy{"name": mapping.IfEmpty})) {
		t.Error("a policy makes no difference")
	}
}

func TestOwners_ByDefault(t *testing.T) {
	owners := []crm.Owner{
		{ID: "own-1", Email: "Jonas@sales.example", Active: true},
		{ID: "own-2", Email: "gone@sales.example"},
		{ID: "own-3", Active: true},
	}
	for _, tt := range []struct {
		name, email, byDefault string
		want                   any
	}{
		{"known", "jonas@sales.example", "own-3", "own-1"},
		{"unknown", "new@sales.example", "own-3", "own-3"},
		{"who has left", "gone@sales.example", "own-3", "own-3"},
		{"no address", "", "own-3", "own-3"},
		{"no default", "new@sales.example", "", nil},
		{"a default who has left", "new@sales.example", "own-2", nil},
		{"a default that is nobody, such as a queue", "new@sales.example", "q-9", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(o *DispatcherOptions) { o.DefaultOwner = tt.byDefault })
			w.crm.owners = owners
			w.deliver(strings.Replace(callEvent("e1", "c1", "u1", 1, "Call"), "u1@sales.example", tt.email, 1))
			if got := w.crm.get(crm.Activity, "c1").fields["owner"]; got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("when the CRM refuses the owner", func(t *testing.T) {
		w := newWorld(t, func(o *DispatcherOptions) { o.DefaultOwner = "own-3" })
		w.crm.owners = owners
		w.crm.judge = func(r crm.Record) *crm.Error {
			if r.Fields["owner"] == "own-1" {
				return &crm.Error{Kind: crm.Invalid, Field: "owner"}
			}
			return nil
		}
		w.deliver(strings.Replace(callEvent("e1", "c1", "u1", 1, "Call"), "u1@sales.example", "jonas@sales.example", 1))
		if got := w.crm.get(crm.Activity, "c1").fields["owner"]; got != "own-3" {
			t.Errorf("got %v, want the default owner", got)
		}
	})
}

// What we write in place of a value that cannot be had, or take away for somebody
// else, is no edit of a person.
func TestPolicy_KnowsItsOwnDetours(t *testing.T) {
	for _, p := range []mapping.Policy{mapping.Always, mapping.IfUnchanged} {
		t.Run(string(p)+", an address that was withheld", func(t *testing.T) {
			w := policyWorld(t, "contact.email", p)
			w.deliver(userEvent("e1", "created", "u1", 1, "A", "a@s.example"), userEvent("e2", "created", "u2", 1, "B", "b@s.example"))
			w.deliver(userEvent("e3", "updated", "u2", 2, "B", "a@s.example"))
			w.deliver(userEvent("e4", "updated", "u1", 3, "A", "c@s.example"))
			w.wantField(crm.Contact, "u2", "email", "a@s.example")
			w.deliver(userEvent("e5", "updated", "u2", 4, "B", "z@s.example"))
			w.wantField(crm.Contact, "u2", "email", "z@s.example")
		})
		t.Run(string(p)+", an address that moved to somebody else", func(t *testing.T) {
			w := policyWorld(t, "contact.email", p)
			w.deliver(userEvent("e1", "created", "u1", 1, "A", "a@s.example"))
			w.deliver(userEvent("e2", "deleted", "u1", 2, "A", "a@s.example"))
			w.deliver(userEvent("e3", "created", "u2", 3, "B", "a@s.example"))
			w.deliver(userEvent("e4", "updated", "u2", 4, "B", "b@s.example"))
			w.deliver(userEvent("e5", "updated", "u1", 5, "A", "a@s.example"))
			w.wantField(crm.Contact, "u1", "email", "a@s.example")
		})
		t.Run(string(p)+", an address that moves in the round of the deletion", func(t *testing.T) {
			w := policyWorld(t, "contact.email", p)
			w.deliver(userEvent("e1", "created", "u1", 1, "A", "a@s.example"))
			w.deliver(userEvent("e2", "deleted", "u1", 2, "A", "a@s.example"), userEvent("e3", "created", "u2", 3, "B", "a@s.example"))
			w.deliver(userEvent("e4", "updated", "u2", 4, "B", "b@s.example"))
			w.deliver(userEvent("e5", "updated", "u1", 5, "A", "a@s.example"))
			w.wantField(crm.Contact, "u1", "email", "a@s.example")
		})
		t.Run(string(p)+", an owner who was refused", func(t *testing.T) {
			w := newWorld(t, func(o *DispatcherOptions) {
				o.DefaultOwner = "own-3"
				o.Mapper = newMapper(t, policies("activity.owner", p))
			})
			w.crm.owners = []crm.Owner{
				{ID: "own-1", Email: "u1@sales.example", Active: true}, {ID: "own-2", Email: "u2@sales.example", Active: true}, {ID: "own-3", Active: true},
			}
			w.crm.judge = func(r crm.Record) *crm.Error {
				if r.Fields["owner"] == "own-1" {
					return &crm.Error{Kind: crm.Invalid, Field: "owner"}
				}
				return nil
			}
			w.deliver(callEvent("e1", "c1", "u1", 1, "Call"))
			w.wantField(crm.Activity, "c1", "owner", "own-3")
			w.deliver(callEvent("e2", "c1", "u2", 2, "Call"))
			w.wantField(crm.Activity, "c1", "owner", "own-2")
		})
	}
}

// wantField looks at one field in the CRM.
func (w *world) wantField(object crm.Object, key, field, want string) {
	w.t.Helper()
	if got := w.crm.get(object, key).fields[field]; got != want {
		w.t.Errorf("%s %s: %s is %v, want %s", object, key, field, got, want)
	}
}

// What we wrote is remembered of a record, not of whatever comes in its place.
func TestPolicy_RemembersNothingOfAnotherRecord(t *testing.T) {
	w := policyWorld(t, "contact.role", mapping.IfUnchanged)
	w.deliver(userEvent("e1", "created", "u1", 1, "A", ""))
	w.crm.mu.Lock()
	w.crm.remove(w.crm.find(crm.Contact, "u1").id) // by a person
	w.crm.mu.Unlock()
	w.deliver(strings.Replace(userEvent("e2", "updated", "u1", 2, "B", ""), `"role":"rep"`, `"role":null`, 1)) // it comes back without a role
	w.deliver(userEvent("e3", "updated", "u1", 3, "C", ""))
	w.wantField(crm.Contact, "u1", "role", "rep")
}
