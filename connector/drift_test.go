package connector

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// dropField lets a field of contacts disappear, or come back.
func (f *fakeCRM) dropField(gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.schema, crm.Contact)
	if gone {
		f.schema = map[crm.Object][]string{crm.Contact: {"id", "email", "name", "deleted"}}
	}
}

// retypeField lets a field of contacts take numbers, or text again.
func (f *fakeCRM) retypeField(changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.schema, crm.Contact)
	f.numbers = nil
	if changed {
		f.schema = map[crm.Object][]string{crm.Contact: {"id", "email", "name", "role", "deleted"}}
		f.numbers = []string{"role"}
	}
}

func (w *world) wantPaused(object, variable string) {
	w.t.Helper()
	s := w.d.CRMState()
	if s.State != StatePaused || !slices.Equal(s.PausedObjects, []string{object}) || !strings.Contains(s.Reason, variable) {
		w.t.Errorf("state %+v, want %s paused because of %s", s, object, variable)
	}
}

// A CRM that passes over a field it does not have any more gives itself away by
// its schema. What comes then waits, and is written with the field once it is
// back.
func TestDrift_IsSeenOnSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		stop := w.start()
		defer stop()
		w.accept(userEvent("e1", "created", "u1", 1, "A", "a@sales.example"))
		time.Sleep(time.Minute)
		w.crm.dropField(true)
		time.Sleep(schemaLook + 2*idleCheck)
		w.wantPaused("contact", "CRMSYNC_MAP_role")
		w.accept(userEvent("e2", "created", "u2", 2, "B", "b@sales.example"), callEvent("e3", "c3", "u3", 3, "Call"))
		time.Sleep(time.Hour)
		if w.crm.get(crm.Contact, "u2") != nil || w.crm.get(crm.Activity, "c3") == nil {
			t.Error("contacts are written, or activities are not")
		}
		w.crm.dropField(false)
		time.Sleep(pauseMax + time.Second)
		synctest.Wait()
		if s := w.stats(); s.Counts[state.Applied] != 3 || w.d.CRMState().State != StateOK {
			t.Errorf("stats %+v, %+v", s, w.d.CRMState())
		}
		if role := w.crm.get(crm.Contact, "u2").fields["role"]; role != "rep" {
			t.Errorf("role is %v", role)
		}
	})
}

// A wrong mapping is found before the first record is sent.
func TestDrift_IsLookedForAtTheStart(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.dropField(true)
	w.deliver(userEvent("e1", "created", "u1", 1, "A", "a@sales.example"))
	w.wantPaused("contact", "CRMSYNC_MAP_role")
	if n := w.crm.count("upsert contact"); n > 0 {
		t.Errorf("%d requests to write contacts", n)
	}
}

// Whatever a CRM says of a record: when the schema has changed meanwhile, it is
// not the record's fault. Others that arrive in between prove nothing.
func TestDrift_AcquitsWhatIsRefusedMeanwhile(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*fakeCRM, bool)
		refusal crm.Error
	}{
		"a field is gone":                  {(*fakeCRM).dropField, crm.Error{Kind: crm.Invalid, Status: 400, Code: "BAD_REQUEST"}},
		"a field has another type":         {(*fakeCRM).retypeField, crm.Error{Kind: crm.Invalid, Code: "INVALID_NUMBER", Field: "role"}},
		"another type, and it is not said": {(*fakeCRM).retypeField, crm.Error{Kind: crm.Invalid, Status: 400, Code: "BAD_REQUEST"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.crm.judge = func(r crm.Record) *crm.Error {
					_, changed := w.crm.schema[crm.Contact]
					if changed && r.Object == crm.Contact && r.Fields["role"] != nil && r.Key != "u7" {
						e := tt.refusal
						return &e
					}
					return nil
				}
				stop := w.start()
				defer stop()
				w.accept(userEvent("e", "created", "u", 1, "A", ""))
				time.Sleep(time.Second)
				tt.change(w.crm, true)
				for i := range 20 {
					w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), 1, "A", ""))
				}
				time.Sleep(time.Second)
				synctest.Wait()
				w.wantPaused("contact", "CRMSYNC_MAP_role")
				if s := w.stats(); s.Counts[state.Dead] != 0 || s.Counts[state.Pending] < 19 {
					t.Errorf("stats %+v", s)
				}
				tt.change(w.crm, false)
				time.Sleep(pauseMax + time.Minute)
				synctest.Wait()
				if s := w.stats(); s.Counts[state.Applied] != 21 {
					t.Errorf("after the field came back: %+v", s)
				}
			})
		})
	}
}

// A CRM that passes over a field without a word took records that lack it.
// They are written again once it is back, and those of other objects are not.
func TestDrift_WritesAgainWhatLacksTheField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		stop := w.start()
		defer stop()
		w.accept(userEvent("e1", "created", "u1", 1, "A", "a@sales.example"))
		time.Sleep(schemaLook + 2*idleCheck) // it fits
		w.accept(userEvent("e2", "created", "u2", 2, "B", "b@sales.example"), callEvent("e3", "c3", "", 3, "Call"))
		time.Sleep(time.Minute)
		w.crm.get(crm.Contact, "u2").fields["role"] = nil
		w.crm.dropField(true)
		before := w.crm.count("upsert contact") + w.crm.count("upsert activity")
		time.Sleep(schemaLook + 2*idleCheck)
		w.wantPaused("contact", "CRMSYNC_MAP_role")
		if got := w.status("e1") + " " + w.status("e2"); got != "applied pending" {
			t.Errorf("the events are %s", got)
		}
		w.crm.dropField(false)
		time.Sleep(pauseMax + time.Minute)
		synctest.Wait()
		if role := w.crm.get(crm.Contact, "u2").fields["role"]; role != "rep" {
			t.Errorf("role is %v", role)
		}
		if n := w.crm.count("upsert contact") + w.crm.count("upsert activity") - before; n != 1 {
			t.Errorf("%d requests to write again", n)
		}
	})
}

// While the schema cannot be looked at, nobody is given up.
func TestDrift_JudgesNobodyUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var down atomic.Bool
		down.Store(true)
		w.crm.before = func(op string, _ []string) error {
			if down.Load() && op == "describe contact" {
				return &crm.Error{Status: 503}
			}
			return nil
		}
		w.crm.judge = func(crm.Record) *crm.Error { return &crm.Error{Kind: crm.Invalid, Code: "NO", Field: "name"} }
		stop := w.start()
		defer stop()
		w.accept(userEvent("e1", "created", "u1", 1, "A", ""), userEvent("e2", "created", "u2", 1, "A", ""))
		time.Sleep(10 * time.Minute)
		if s := w.stats(); s.Counts[state.Pending] != 2 || !strings.Contains(w.event("e1").Error, "NO") {
			t.Errorf("%+v, %+v", s, w.event("e1"))
		}
		if n := w.crm.count("upsert contact"); n > 100 {
			t.Errorf("%d requests in ten minutes", n)
		}
		down.Store(false)
		time.Sleep(2 * pauseFirst)
		synctest.Wait()
		if s := w.stats(); s.Counts[state.Dead] != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// Refusals that the schema does not explain make nobody look at it all the time.
func TestDrift_LooksNowAndThenAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.crm.judge = func(crm.Record) *crm.Error { return &crm.Error{Kind: crm.Invalid, Code: "NO", Field: "name"} }
		stop := w.start()
		defer stop()
		const looks = 15 // before so many refusals alike pause the object
		for i := range looks * int(schemaDoubt/time.Second) {
			w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i%100), i, fmt.Sprint(i), ""))
			time.Sleep(time.Second)
		}
		if n := w.crm.count("describe contact"); n > looks+2 || n < looks-1 {
			t.Errorf("%d looks", n)
		}
	})
}

// Who may write and not read the schema goes on writing.
func TestDrift_NeedsNoPermission(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.before = func(op string, _ []string) error {
		if strings.HasPrefix(op, "describe") {
			return &crm.Error{Kind: crm.Unauthorized, Status: 403, Code: "MISSING_SCOPES"}
		}
		return nil
	}
	w.deliver(userEvent("e1", "created", "u1", 1, "A", "a@sales.example"))
	if got := w.status("e1"); got != "applied" {
		t.Errorf("the event is %s, %+v", got, w.d.CRMState())
	}
}

// A value that only a special record gets, and that the field does not take, is
// that record's own fault: the schema is as it was.
func TestDrift_OneBadRecordPausesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *DispatcherOptions) {
			o.Mapper = newMapper(t, func(c *mapping.Config) {
				c.Fields[crm.Contact]["role"] = mapping.Expression{Source: `user.name == "Boss" ? "text" : 5`, Variable: "CRMSYNC_MAP_CONTACT_role"}
			})
		})
		w.crm.schema = map[crm.Object][]string{crm.Contact: {"id", "email", "name", "role", "deleted"}}
		w.crm.numbers = []string{"role"}
		w.crm.judge = func(r crm.Record) *crm.Error {
			if _, bad := r.Fields["role"].(string); bad {
				return &crm.Error{Kind: crm.Invalid, Code: "INVALID_NUMBER", Field: "role"}
			}
			return nil
		}
		stop := w.start()
		defer stop()
		w.accept(userEvent("boss", "created", "boss", 1, "Boss", ""))
		w.accept(users("u", 20)...)
		time.Sleep(time.Minute)
		if got := w.stats().Counts; got[state.Applied] != 20 || w.status("boss") != "dead/refused" {
			t.Errorf("got %v, boss %s, %+v", got, w.status("boss"), w.d.CRMState())
		}
	})
}

// A field that takes other values than when it was last written is to blame for
// what is refused, until a value is taken: then it is the values that are wrong.
func TestDrift_TypeThatChangedIsToBlame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		stop := w.start()
		defer stop()
		w.accept(userEvent("e1", "created", "u1", 1, "A", ""))
		time.Sleep(time.Minute)
		w.crm.mu.Lock()
		w.crm.choices = []string{"role"}
		listed := false
		w.crm.judge = func(r crm.Record) *crm.Error {
			if r.Fields["role"] == "rep" && (!listed || r.Key == "bad") {
				return &crm.Error{Kind: crm.Invalid, Code: "INVALID_OPTION"}
			}
			return nil
		}
		w.crm.mu.Unlock()
		w.accept(users("v", 20)...)
		w.accept(orgEvent("o1", "updated", "o1", 1, "Org"))
		time.Sleep(time.Hour)
		w.wantPaused("contact", "CRMSYNC_MAP_role: field role of contact has become of type list, and was text")
		if got := w.stats().Counts; got[state.Dead] != 0 || got[state.Applied] != 2 {
			t.Errorf("while it is paused: %v", got)
		}
		w.crm.mu.Lock()
		listed = true // the value is in the list now
		w.crm.mu.Unlock()
		time.Sleep(2 * pauseMax)
		w.accept(userEvent("bad", "created", "bad", 1, "A", ""))
		time.Sleep(time.Minute)
		if got := w.stats().Counts; got[state.Dead] != 1 || got[state.Applied] != 22 || w.status("bad") != "dead/refused" {
			t.Errorf("afterwards: %v, %+v", got, w.d.CRMState())
		}
	})
}

// A field that is gone reads as empty. That is no edit of a person's that would
// win, neither while it is gone nor when it has come back without its values.
func TestDrift_FieldThatIsGoneWasNotCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := func(o *DispatcherOptions) {
			o.Mapper = newMapper(t, func(c *mapping.Config) {
				c.Fields[crm.Contact]["role"] = mapping.Expression{Source: "user.role", Variable: "CRMSYNC_MAP_role", Policy: mapping.IfUnchanged}
			})
		}
		w := newWorld(t, options)
		empty := func() {
			w.crm.mu.Lock()
			defer w.crm.mu.Unlock()
			for _, rec := range w.crm.records {
				delete(rec.fields, "role")
			}
		}
		stop := w.start()
		w.accept(users("u", 3)...)
		time.Sleep(time.Minute)
		w.crm.dropField(true)
		empty()
		w.accept(userEvent("x1", "updated", "u0", 2, "B", ""))
		time.Sleep(time.Minute)
		w.wantPaused("contact", "CRMSYNC_MAP_role")
		stop()
		w.crm.dropField(false)
		w.restart(options) // what the records were told outlives the process
		stop = w.start()
		defer stop()
		w.accept(userEvent("x2", "updated", "u1", 2, "B", ""))
		time.Sleep(time.Minute)
		w.wantField(crm.Contact, "u0", "role", "rep")
		w.wantField(crm.Contact, "u1", "role", "rep")
		empty() // by people, this time
		w.accept(userEvent("x3", "updated", "u1", 3, "C", ""))
		time.Sleep(time.Minute)
		if got := w.crm.get(crm.Contact, "u1").fields["role"]; got != nil {
			t.Errorf("a person's edit was overwritten: %v", got)
		}
	})
}
