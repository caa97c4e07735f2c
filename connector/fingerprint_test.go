package connector

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

func TestFingerprints_TellWhatDecidesARecord(t *testing.T) {
	fields := func(change func(map[crm.Object]map[string]mapping.Expression)) func(*mapping.Config) {
		return func(c *mapping.Config) { change(c.Fields) }
	}
	source := func(text string) func(*mapping.Config) {
		return fields(func(f map[crm.Object]map[string]mapping.Expression) {
			f[crm.Contact]["name"] = mapping.Expression{Source: text, Variable: "CRMSYNC_MAP_name"}
		})
	}
	off := func(object crm.Object) func(*mapping.Config) {
		return fields(func(f map[crm.Object]map[string]mapping.Expression) { delete(f, object) })
	}
	options := DispatcherOptions{Mapper: newMapper(t, nil)}
	before := Fingerprints(options)
	for _, tt := range []struct {
		name    string
		mapping func(*mapping.Config)
		options DispatcherOptions
		changes string // objects that come out differently
	}{
		{name: "nothing"},
		{name: "another expression", mapping: source("user.role"), changes: "contact"},
		{name: "a field more", changes: "company", mapping: fields(func(f map[crm.Object]map[string]mapping.Expression) {
			f[crm.Company]["id"] = mapping.Expression{Source: "org.id"}
		})},
		{name: "a field less", changes: "activity", mapping: fields(func(f map[crm.Object]map[string]mapping.Expression) {
			delete(f[crm.Activity], "title")
		})},
		{name: "a value that moves to another field", changes: "contact", mapping: fields(func(f map[crm.Object]map[string]mapping.Expression) {
			f[crm.Contact]["name"], f[crm.Contact]["role"] = f[crm.Contact]["role"], f[crm.Contact]["name"]
		})},
		{name: "the same from another variable", mapping: fields(func(f map[crm.Object]map[string]mapping.Expression) {
			f[crm.Contact]["name"] = mapping.Expression{Source: f[crm.Contact]["name"].Source, Variable: "CRMSYNC_MAP_FILE"}
		})},
		{name: "a policy", mapping: policies("contact.name", mapping.IfEmpty), changes: "contact"},
		{name: "the policy of every field", mapping: policies("contact.name", mapping.Always)},
		{name: "a filter", mapping: func(c *mapping.Config) {
			c.Filters = map[mapping.Kind]mapping.Expression{mapping.KindUser: {Source: "true"}}
		}},
		{name: "a unit", mapping: func(c *mapping.Config) { c.DurationUnit = time.Minute }, changes: "activity company contact"},
		{name: "a zone", mapping: func(c *mapping.Config) { c.TimeZone = time.FixedZone("X", 3600) }, changes: "activity company contact"},
		{name: "an object that links go to", mapping: off(crm.Company), changes: "activity contact"},
		{name: "an object that one link goes to", mapping: off(crm.Contact), changes: "activity"},
		{name: "an object that no link goes to", mapping: off(crm.Activity)},
		{name: "a default owner", options: DispatcherOptions{DefaultOwner: "own-1"}, changes: "activity"},
		{name: "users are archived", options: DispatcherOptions{UserDeleted: DeleteArchive}, changes: "contact"},
		{name: "organisations are archived", options: DispatcherOptions{OrgDeleted: DeleteArchive}, changes: "company"},
		{name: "what is so by default", options: DispatcherOptions{UserDeleted: DeleteMark, OrgDeleted: DeleteMark}},
	} {
		tt.options.Mapper = newMapper(t, tt.mapping)
		var changed []string
		after := Fingerprints(tt.options)
		for object, fingerprint := range after {
			if len(fingerprint) != fingerprintSize || !bytes.Equal(fingerprint, before[object]) {
				changed = append(changed, object)
			}
		}
		slices.Sort(changed)
		if got := strings.Join(changed, " "); got != tt.changes {
			t.Errorf("%s: changed %q, want %q", tt.name, got, tt.changes)
		}
		for _, object := range crm.Objects() {
			if _, on := after[string(object)]; on == tt.options.Mapper.Off(object) {
				t.Errorf("%s: %s has a fingerprint: %t", tt.name, object, on)
			}
		}
	}
}

// remap restarts with another expression for the contact's name.
func (w *world) remap(source string) {
	w.restart(func(o *DispatcherOptions) {
		o.Mapper = newMapper(w.t, func(c *mapping.Config) {
			c.Fields[crm.Contact]["name"] = mapping.Expression{Source: source}
		})
	})
}

// resync queues what a changed mapping may treat differently, and returns how
// many requests that took.
func (w *world) resync() int {
	w.t.Helper()
	before := w.crm.total()
	if _, err := w.store.Requeue(w.t.Context(), state.RequeueOptions{Resync: true}); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	return w.crm.total() - before
}

// behind checks how many records another mapping wrote.
func (w *world) behind(when string, want map[string]int64) {
	w.t.Helper()
	if got := w.stats().Behind(Fingerprints(w.options)); !maps.Equal(got, want) {
		w.t.Errorf("%s: behind %v, want %v", when, got, want)
	}
}

func TestResync_WritesOnlyWhatComesOutDifferent(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(orgEvent("e1", "updated", "o1", 1, "Bright"), userEvent("e2", "created", "u1", 2, "Jonas", "j@sales.example"),
		userEvent("e3", "created", "u2", 2, "rep", "k@sales.example"), callEvent("e4", "c1", "u1", 3, "Call"))
	w.behind("written", nil)

	w.remap("user.role")
	w.behind("after the change", map[string]int64{"contact": 2})
	ops := len(w.crm.requests)
	w.resync()
	if sent := slices.DeleteFunc(slices.Clone(w.crm.requests[ops:]), isReading); !slices.Equal(sent, []string{"upsert contact"}) {
		t.Errorf("sent %v", sent)
	}
	if n := w.crm.batches["upsert contact"]; n[len(n)-1] != 1 { // of u2 the role was the name already
		t.Errorf("batches %v", n)
	}
	w.behind("after the resync", nil)

	if n := w.resync(); n != 0 {
		t.Errorf("%d requests of a second resync", n)
	}
	w.remap(`user.role ?? ""`)
	w.behind("other words for the same", map[string]int64{"contact": 2})
	ops = len(w.crm.requests)
	w.resync()
	if sent := slices.DeleteFunc(slices.Clone(w.crm.requests[ops:]), isReading); len(sent) > 0 {
		t.Errorf("sent %v", sent)
	}
	w.behind("records that came out the same", nil)
}

// isReading reports whether a request of fakeCRM changes nothing.
func isReading(op string) bool {
	return op == "owners" || op == "ping" || strings.HasPrefix(op, "describe ") || strings.HasPrefix(op, "compare ")
}

// A policy that is set or removed, and a field that is left out, change no value:
// a resync reads the records and sends nothing. What somebody edited in a field
// that comes out as the CRM has it is not touched either.
func TestResync_SendsNothingThatTheCRMHolds(t *testing.T) {
	for name, change := range map[string]func(*mapping.Config){
		"a policy":            policies("contact.role", mapping.IfUnchanged),
		"another policy":      policies("contact.role", mapping.OnCreate),
		"a field left out":    func(c *mapping.Config) { delete(c.Fields[crm.Contact], "role") },
		"a field that is new": func(c *mapping.Config) { c.Fields[crm.Contact]["title"] = mapping.Expression{Source: `user.role`} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"), userEvent("e2", "created", "u2", 1, "Kim", "k@sales.example"))
			w.restart(func(o *DispatcherOptions) { o.Mapper = newMapper(t, change) })
			if strings.Contains(name, "policy") {
				w.crm.set(crm.Contact, "u2", "name", "by a person")
				defer w.wantField(crm.Contact, "u2", "name", "by a person")
			}
			w.behind("after the change", map[string]int64{"contact": 2})
			w.resync()
			w.behind("after the resync", nil)
			want := []string{}
			if name == "a field that is new" {
				want = []string{"upsert contact"}
			}
			ops := w.crm.requests
			sent := slices.DeleteFunc(slices.Clone(ops[slices.Index(ops, "compare contact"):]), isReading)
			if !slices.Equal(sent, want) {
				t.Errorf("sent %v", sent)
			}
			w.wantField(crm.Contact, "u1", "role", "rep")
		})
	}
}

// What today's mapping leaves alone is not behind it.
func TestResync_RecordsThatAreLeftAloneAreNotBehind(t *testing.T) {
	for name, change := range map[string]func(*DispatcherOptions){
		"a filter": func(o *DispatcherOptions) {
			o.Mapper = newMapper(t, func(c *mapping.Config) {
				c.Fields[crm.Contact]["name"] = mapping.Expression{Source: "user.role"}
				c.Filters = map[mapping.Kind]mapping.Expression{mapping.KindUser: {Source: `user.role == "x"`}}
			})
		},
		"deletions that are ignored": func(o *DispatcherOptions) { o.UserDeleted = DeleteIgnore },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
			if name != "a filter" {
				w.deliver(userEvent("e2", "deleted", "u1", 2, "Jonas", "j@sales.example"))
			}
			before := w.crm.dump()
			w.restart(change)
			w.behind("after the change", map[string]int64{"contact": 1})
			w.resync()
			w.behind("after the resync", nil)
			w.want(before...)
		})
	}
}

func TestResync_RecordsThatWereNotDecidedStayBehind(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"), userEvent("e2", "created", "u2", 1, "Kim", "k@sales.example"))
	w.remap(`user.name + "!"`)
	w.crm.judge = func(r crm.Record) *crm.Error {
		if r.Key == "u1" {
			return &crm.Error{Kind: crm.Invalid, Code: "BAD", Field: "name"}
		}
		return nil
	}
	w.resync()
	w.behind("one is refused", map[string]int64{"contact": 1})
	w.crm.judge = nil
	w.crm.before = func(op string, _ []string) error {
		if op == "upsert contact" {
			return &crm.Error{Kind: crm.Misconfigured, Field: "name"}
		}
		return nil
	}
	w.remap(`user.name + "?"`)
	w.resync()
	w.behind("contacts are paused", map[string]int64{"contact": 2})
}

func TestResync_RecordsThatAreTakenAwayAreNotBehind(t *testing.T) {
	archive := func(o *DispatcherOptions) { o.UserDeleted = DeleteArchive }
	w := newWorld(t, nil)
	w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"), userEvent("e2", "deleted", "u1", 2, "Jonas", "j@sales.example"))
	w.restart(archive)
	w.behind("marked, and to be archived", map[string]int64{"contact": 1})
	w.resync()
	w.want()
	w.behind("archived", nil)
	w.restart(nil)
	w.behind("nothing to be marked any more", nil)
}

// A record that was removed in the CRM comes back whole, though a part of it is
// all that would have to be sent.
func TestResync_RecordsComeBackWhole(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
	want := w.crm.dump()
	w.crm.mu.Lock()
	w.crm.remove(w.crm.find(crm.Contact, "u1").id)
	w.crm.mu.Unlock()
	w.restart(func(o *DispatcherOptions) {
		o.Mapper = newMapper(t, policies("contact.role", mapping.IfUnchanged, "contact.name", mapping.OnCreate))
	})
	w.resync()
	w.want(want...)
	if rec := w.event("e1").Records[0]; rec.Action != "created" {
		t.Errorf("got %+v", rec)
	}
}
