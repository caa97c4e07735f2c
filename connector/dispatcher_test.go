package connector

import (
	"context"
	"errors"
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

func TestDispatcher_WritesRecordsAndLinks(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(orgEvent("e1", "updated", "o1", 1, "Bright"), userEvent("e2", "created", "u1", 2, "Jonas", "jonas@sales.example"), callEvent("e3", "c1", "u1", 3, "Discovery"))
	w.want(
		"activity c1 -> company o1",
		"activity c1 -> contact u1",
		"activity c1 map[at:1999-11-02T08:00:03.000Z title:Discovery]",
		"company o1 map[deleted:false name:Bright]",
		"contact u1 -> company o1",
		"contact u1 map[deleted:false email:jonas@sales.example name:Jonas role:rep]",
	)
	if got := w.status("e3"); got != "applied" {
		t.Errorf("call is %s", got)
	}
	if s := w.stats(); s.Binding == nil || s.Binding.Account != "fake.example" || s.WaitingLinks != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestDispatcher_NothingIsSentForWhatIsUnchanged(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
	before := w.crm.total()
	w.deliver(userEvent("e2", "updated", "u1", 2, "Jonas", "j@sales.example"))
	if got := w.status("e2"); got != "unchanged" {
		t.Errorf("event is %s", got)
	}
	if n := w.crm.total(); n != before {
		t.Errorf("%d requests", n-before)
	}
	w.deliver(userEvent("e3", "updated", "u1", 1, "Older", "j@sales.example"))
	if ev := w.event("e3"); ev.Status != state.Stale || ev.Records[0].SupersededBy != "e2" {
		t.Errorf("an event between two: %+v", ev)
	}
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for i := range n {
			out = append(out, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return out
}

func TestDispatcher_LinkWaitsForItsTarget(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(callEvent("e1", "c1", "u1", 1, "Call"))
	if s := w.stats(); s.WaitingLinks != 2 { // contact and activity wait for the company
		t.Errorf("%d links wait", s.WaitingLinks)
	}
	if got := w.status("e1"); got != "applied" {
		t.Errorf("the call is %s", got)
	}
	w.deliver(orgEvent("e2", "updated", "o1", 1, "Bright"))
	if s := w.stats(); s.WaitingLinks != 0 {
		t.Errorf("%d links still wait", s.WaitingLinks)
	}
	if got := w.crm.dump(); !slices.Contains(got, "activity c1 -> company o1") || !slices.Contains(got, "contact u1 -> company o1") {
		t.Errorf("CRM holds %v", got)
	}
}

func TestDispatcher_LinkMovesWhenTheOrgChanges(t *testing.T) {
	w := newWorld(t, nil)
	moved := strings.Replace(userEvent("e4", "updated", "u1", 3, "Jonas", "j@sales.example"), `"o1"`, `"o2"`, 1)
	w.deliver(orgEvent("e1", "updated", "o1", 1, "Old"), orgEvent("e2", "updated", "o2", 1, "New"), userEvent("e3", "created", "u1", 2, "Jonas", "j@sales.example"))
	w.deliver(moved)
	got := w.crm.dump()
	if !slices.Contains(got, "contact u1 -> company o2") || slices.Contains(got, "contact u1 -> company o1") {
		t.Errorf("CRM holds %v", got)
	}
}

func TestDispatcher_TargetGoneIsWrittenAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"), callEvent("e0", "c0", "u1", 1, "Before"))
	w.crm.mu.Lock()
	w.crm.remove(w.crm.find(crm.Contact, "u1").id)
	w.crm.mu.Unlock()
	w.deliver(callEvent("e2", "c1", "u1", 2, "Call"))
	for _, link := range []string{"activity c0 -> contact u1", "activity c1 -> contact u1"} {
		if got := w.crm.dump(); !slices.Contains(got, link) {
			t.Errorf("no %s: CRM holds %v", link, got)
		}
	}
	if s := w.stats(); s.Counts[state.Pending] != 0 || s.Counts[state.Dead] != 0 {
		t.Errorf("stats %+v", s)
	}
}

// Links to a record that a person removed are made again with it, also when what
// its write did is not remembered.
func TestDispatcher_TargetThatComesBackAfterALostSettlement(t *testing.T) {
	w := newWorld(t, nil)
	w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"), callEvent("e2", "c1", "u1", 1, "Call"))
	w.crm.mu.Lock()
	w.crm.remove(w.crm.find(crm.Contact, "u1").id)
	w.crm.mu.Unlock()
	lost := false
	w.restart(func(o *DispatcherOptions) {
		o.Store = &forgetfulStore{w.store, func() bool {
			now := !lost && w.crm.get(crm.Contact, "u1") != nil
			lost = lost || now
			return now
		}}
	})
	w.accept(userEvent("e3", "updated", "u1", 2, "Jo", "j@sales.example"))
	if _, err := w.d.step(context.Background()); err == nil || !lost {
		t.Fatal("the settlement was not lost")
	}
	w.settle()
	if got := w.crm.dump(); !slices.Contains(got, "activity c1 -> contact u1") {
		t.Errorf("CRM holds %v", got)
	}
}

func TestDispatcher_BadRecordAmongGoodOnes(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.judge = func(r crm.Record) *crm.Error {
		if r.Key == "u7" {
			return &crm.Error{Kind: crm.Invalid, Code: "INVALID_EMAIL", Field: "email", Message: "Email u7@sales.example is invalid, name Snap U7 too", RequestID: "req-9"}
		}
		return nil
	}
	for i := range 20 {
		w.accept(callEvent(fmt.Sprintf("e%d", i), fmt.Sprintf("c%d", i), fmt.Sprintf("u%d", i), i, "Call"))
	}
	w.settle()
	ev := w.event("e7")
	if ev.Status != state.Dead || ev.Reason != "refused" {
		t.Errorf("event %+v", ev)
	}
	if !strings.Contains(ev.Error, "‹name› too") || strings.Contains(ev.Error, "@") || !strings.Contains(ev.Error, "req-9") {
		t.Errorf("error %q", ev.Error)
	}
	s := w.stats()
	if s.Counts[state.Applied] != 19 || s.Counts[state.Dead] != 1 {
		t.Errorf("stats %+v", s)
	}
	if !slices.Contains(w.crm.dump(), "activity c7 map[at:1999-11-02T08:00:07.000Z title:Call]") {
		t.Error("the activity of a refused contact was held back")
	}
	w.crm.judge = nil
	if _, err := w.store.Requeue(context.Background(), state.RequeueOptions{Status: state.Dead}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := w.status("e7"); got != "applied" {
		t.Errorf("after a replay: %s", got)
	}
	if !slices.Contains(w.crm.dump(), "activity c7 -> contact u7") {
		t.Error("the replay did not repair the link")
	}
}

// A batch refused as a whole is halved until the bad record is alone.
func TestDispatcher_HalvesARefusedBatch(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.before = func(op string, keys []string) error {
		if op == "upsert contact" && slices.Contains(keys, "u33") {
			return &crm.Error{Kind: crm.Invalid, Code: "VALIDATION_ERROR", Message: "bad"}
		}
		return nil
	}
	for i := range 100 {
		w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), 1, "N", ""))
	}
	w.settle()
	if s := w.stats(); s.Counts[state.Applied] != 99 || s.Counts[state.Dead] != 1 {
		t.Errorf("stats %+v", s)
	}
	if n := w.crm.count("upsert contact"); n > 16 {
		t.Errorf("%d requests to find one record", n)
	}
}

// A record that makes the CRM fail is found, and gives up in the end, while
// the others arrive.
func TestDispatcher_PoisonGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *DispatcherOptions) { o.GiveUpAfter = time.Hour })
		w.crm.before = func(op string, keys []string) error {
			if op == "upsert contact" && slices.Contains(keys, "u33") {
				return &crm.Error{Status: 500, Message: "boom"}
			}
			return nil
		}
		for i := range 100 {
			w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), 1, "N", ""))
		}
		stop := w.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if s := w.stats(); s.Counts[state.Applied] != 99 || s.Counts[state.Pending] != 1 {
			t.Errorf("after a second: %+v", s)
		}
		if n := w.crm.count("upsert contact"); n > 30 {
			t.Errorf("%d requests to find one record", n)
		}
		for i := range 240 { // others keep arriving
			w.accept(userEvent(fmt.Sprintf("f%d", i), "created", fmt.Sprintf("v%d", i), 1, "N", ""))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if got := w.status("e33"); got != "dead/gave_up" {
			t.Errorf("the poisonous record is %s", got)
		}
		stop()
	})
}

// When nothing is answered the CRM is down: no record is to blame, few requests
// are made, and everything arrives when it is back.
func TestDispatcher_OutageIsNobodysFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *DispatcherOptions) { o.GiveUpAfter = time.Hour })
		var down atomic.Bool
		down.Store(true)
		w.crm.before = func(string, []string) error {
			if down.Load() {
				return &crm.Error{Err: errors.New("connection refused")}
			}
			return nil
		}
		for i := range 500 {
			w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), 1, "N", ""))
		}
		stop := w.start()
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if s := w.d.CRMState(); s.State != StateRetrying || !strings.Contains(s.Reason, "connection refused") {
			t.Errorf("state %+v", s)
		}
		if s := w.stats(); s.Counts[state.Pending] != 500 {
			t.Errorf("stats %+v", s)
		}
		if n := w.crm.total(); n > 2000 {
			t.Errorf("%d requests in six hours of outage", n)
		}
		down.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s := w.stats(); s.Counts[state.Applied] != 500 {
			t.Errorf("two minutes after the outage: %+v", s)
		}
		if s := w.d.CRMState(); s.State != StateOK {
			t.Errorf("state %+v", s)
		}
		stop()
	})
}

func TestDispatcher_ExpiredTokenPausesAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var expired atomic.Bool
		expired.Store(true)
		w.crm.before = func(string, []string) error {
			if expired.Load() {
				return &crm.Error{Kind: crm.Unauthorized, Status: 401, Message: "token expired"}
			}
			return nil
		}
		for i := range 300 {
			w.accept(callEvent(fmt.Sprintf("e%d", i), fmt.Sprintf("c%d", i), fmt.Sprintf("u%d", i%20), i, "Call"))
		}
		stop := w.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		if s := w.d.CRMState(); s.State != StatePaused || !strings.Contains(s.Reason, "401") {
			t.Errorf("state %+v", s)
		}
		if n := w.crm.total(); n > 25 {
			t.Errorf("%d requests with an expired token", n)
		}
		expired.Store(false)
		time.Sleep(pauseMax + time.Second)
		synctest.Wait()
		if s := w.stats(); s.Counts[state.Applied] != 300 {
			t.Errorf("after the token was renewed: %+v", s)
		}
		stop()
	})
}

func TestDispatcher_MissingFieldPausesItsObjectOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.crm.schema = map[crm.Object][]string{crm.Contact: {"id", "email", "name", "deleted"}}
		var broken atomic.Bool
		broken.Store(true)
		w.crm.before = func(op string, _ []string) error {
			if broken.Load() && op == "upsert contact" {
				return &crm.Error{Kind: crm.Misconfigured, Status: 400, Code: "PROPERTY_DOESNT_EXIST", Field: "role", Message: "Property role does not exist"}
			}
			return nil
		}
		stop := w.start()
		for i := range 50 {
			w.accept(callEvent(fmt.Sprintf("e%d", i), fmt.Sprintf("c%d", i), fmt.Sprintf("u%d", i), i, "Call"))
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		s := w.d.CRMState()
		if s.State != StatePaused || !slices.Equal(s.PausedObjects, []string{"contact"}) || !strings.Contains(s.Reason, "CRMSYNC_MAP_role") {
			t.Errorf("state %+v", s)
		}
		if got := w.status("e1"); got != "pending" {
			t.Errorf("event is %s", got)
		}
		if w.crm.get(crm.Activity, "c1") == nil {
			t.Error("activities wait for paused contacts")
		}
		if n := w.crm.count("upsert contact"); n > 2 {
			t.Errorf("%d tries to write contacts", n)
		}
		broken.Store(false)
		w.crm.mu.Lock()
		w.crm.schema = nil
		w.crm.mu.Unlock()
		time.Sleep(pauseMax + time.Second)
		synctest.Wait()
		if st := w.stats(); st.Counts[state.Applied] != 50 || st.WaitingLinks != 100 {
			t.Errorf("after the fix: %+v", st)
		}
		if !slices.Contains(w.crm.dump(), "activity c1 -> contact u1") {
			t.Error("no link to the contact")
		}
		stop()
	})
}

// A mapping that is wrong for every record does not eat the backlog.
func TestDispatcher_RefusalStormPauses(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.judge = func(r crm.Record) *crm.Error {
		return &crm.Error{Kind: crm.Invalid, Code: "INVALID_OPTION", Field: "role", Message: "not an option"}
	}
	for i := range 450 {
		w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), 1, "N", ""))
	}
	w.settle()
	if s := w.stats(); s.Counts[state.Dead] != 0 || s.Counts[state.Pending] != 450 {
		t.Errorf("stats %+v", s)
	}
	if s := w.d.CRMState(); s.State != StatePaused || !strings.Contains(s.Reason, "200 records in a row") {
		t.Errorf("state %+v", s)
	}
}

func TestDispatcher_RateLimitHoldsTheAccount(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.before = func(string, []string) error {
		return &crm.Error{Kind: crm.RateLimited, Status: 429, RetryAfter: time.Hour}
	}
	w.deliver(callEvent("e1", "c1", "u1", 1, "Call"))
	if s := w.d.CRMState(); s.State != StateRateLimited {
		t.Errorf("state %+v", s)
	}
	w.deliver(callEvent("e2", "c2", "u1", 1, "Call"))
	if n := w.crm.total(); n != 1 {
		t.Errorf("%d requests while held", n)
	}
}

func TestDispatcher_EmailHeldByAnotherRecord(t *testing.T) {
	t.Run("foreign: adopted", func(t *testing.T) {
		w := newWorld(t, nil)
		id := w.crm.add(crm.Contact, crm.Fields{"email": "j@sales.example"})
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		ev := w.event("e1")
		if ev.Records[0].RemoteID != id || ev.Records[0].Action != "adopted" {
			t.Errorf("records %+v", ev.Records)
		}
	})
	t.Run("foreign: adopted, and that is not forgotten when the settlement is lost", func(t *testing.T) {
		lost := false
		w := newWorld(t, nil)
		w.restart(func(o *DispatcherOptions) {
			o.UserDeleted = DeleteArchive
			o.Store = &forgetfulStore{w.store, func() bool {
				first := !lost && w.crm.get(crm.Contact, "u1") != nil
				lost = lost || first
				return first
			}}
		})
		id := w.crm.add(crm.Contact, crm.Fields{"email": "j@sales.example"})
		w.accept(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		if _, err := w.d.step(context.Background()); err == nil || !lost {
			t.Fatal("the settlement was not lost")
		}
		w.settle()
		w.deliver(userEvent("e2", "deleted", "u1", 2, "Jonas", "j@sales.example"))
		links, err := w.store.Objects(context.Background(), state.ObjectFilter{Object: "contact"})
		if err != nil || len(links) != 1 || !links[0].Adopted || links[0].RemoteID != id {
			t.Errorf("links %+v, %v", links, err)
		}
		if rec := w.crm.get(crm.Contact, "u1"); rec == nil || rec.fields["deleted"] != true {
			t.Errorf("a person's contact is not marked but %+v", rec)
		}
	})
	t.Run("foreign, but ours exists: written without it", func(t *testing.T) {
		w := newWorld(t, nil)
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.crm.add(crm.Contact, crm.Fields{"email": "new@sales.example"})
		w.deliver(userEvent("e2", "updated", "u1", 2, "Jonas W", "new@sales.example"))
		if ev := w.event("e2"); ev.Status != state.Applied || ev.Records[0].Note != "email_withheld" {
			t.Errorf("event %+v", ev)
		}
		if rec := w.crm.get(crm.Contact, "u1"); rec.fields["name"] != "Jonas W" || rec.fields["email"] != "j@sales.example" {
			t.Errorf("contact %+v", rec.fields)
		}
	})
	t.Run("living: written without it until it is given up", func(t *testing.T) {
		w := newWorld(t, nil)
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.deliver(userEvent("e2", "created", "u2", 2, "Other", "j@sales.example"))
		if ev := w.event("e2"); ev.Status != state.Applied || ev.Records[0].Note != "email_withheld" {
			t.Errorf("event %+v", ev)
		}
		w.deliver(userEvent("e3", "updated", "u1", 3, "Jonas", "new@sales.example"))
		w.want(
			"contact u1 map[deleted:false email:new@sales.example name:Jonas role:rep]",
			"contact u2 map[deleted:false email:j@sales.example name:Other role:rep]",
		)
		if ev := w.event("e2"); ev.Records[0].Action != "created" || ev.Records[0].Note != "" {
			t.Errorf("what the event did first is forgotten: %+v", ev.Records)
		}
	})
	t.Run("living: what people write into the others meanwhile stays", func(t *testing.T) {
		w := newWorld(t, nil)
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.deliver(strings.Replace(callEvent("e2", "c1", "u2", 2, "Call"), "u2@sales.example", "j@sales.example", 1))
		w.crm.set(crm.Contact, "u2", "role", "by a person")
		w.deliver(userEvent("e3", "updated", "u1", 3, "Jonas W", "j@sales.example")) // still held
		w.wantField(crm.Contact, "u2", "role", "by a person")
		w.deliver(userEvent("e4", "updated", "u1", 4, "Jonas", "new@sales.example"))
		w.wantField(crm.Contact, "u2", "role", "by a person")
		w.wantField(crm.Contact, "u2", "email", "j@sales.example")
		for _, rec := range w.event("e2").Records {
			if rec.Action != "created" {
				t.Errorf("%s: %s", rec.Object, rec.Action)
			}
		}
		if ev := w.event("e2"); ev.Status != state.Applied {
			t.Errorf("status %s", ev.Status)
		}
	})
	t.Run("living: links made meanwhile do not forget it", func(t *testing.T) {
		w := newWorld(t, nil)
		w.deliver(orgEvent("e0", "updated", "o1", 0, "Bright"), userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.crm.before = func(op string, _ []string) error {
			if op == "link contact company" {
				return &crm.Error{Kind: crm.Invalid, Code: "LIMIT"}
			}
			return nil
		}
		w.deliver(userEvent("e2", "created", "u2", 2, "Other", "j@sales.example"))
		w.crm.before = nil
		w.deliver(userEvent("e3", "updated", "u2", 3, "Other", "j@sales.example")) // only the link is missing
		w.deliver(userEvent("e4", "updated", "u1", 4, "Jonas", "new@sales.example"))
		if rec := w.crm.get(crm.Contact, "u2"); rec.fields["email"] != "j@sales.example" {
			t.Errorf("contact %+v", rec.fields)
		}
	})
	t.Run("deleted: taken over", func(t *testing.T) {
		w := newWorld(t, nil)
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.deliver(userEvent("e2", "deleted", "u1", 2, "Jonas", "j@sales.example"))
		w.deliver(userEvent("e3", "created", "u2", 3, "Jonas", "j@sales.example"))
		want := []string{
			"contact u1 map[deleted:true name:Jonas role:rep]",
			"contact u2 map[deleted:false email:j@sales.example name:Jonas role:rep]",
		}
		w.want(want...)
		w.deliver(userEvent("e4", "deleted", "u1", 4, "Jonas", "j@sales.example")) // nothing comes back
		w.want(want...)
	})
	t.Run("deleted in the same round", func(t *testing.T) {
		w := newWorld(t, nil)
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.deliver(userEvent("e3", "created", "u2", 3, "Jonas", "j@sales.example"), userEvent("e2", "deleted", "u1", 2, "Jonas", "j@sales.example"))
		w.want(
			"contact u1 map[deleted:true name:Jonas role:rep]",
			"contact u2 map[deleted:false email:j@sales.example name:Jonas role:rep]",
		)
	})
	t.Run("given up by a later deletion", func(t *testing.T) {
		w := newWorld(t, nil)
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.deliver(userEvent("e2", "created", "u2", 2, "Other", "j@sales.example"))
		w.deliver(userEvent("e3", "deleted", "u1", 3, "Jonas", "j@sales.example"))
		w.want(
			"contact u1 map[deleted:true name:Jonas role:rep]",
			"contact u2 map[deleted:false email:j@sales.example name:Other role:rep]",
		)
	})
	t.Run("exchanged", func(t *testing.T) {
		want := []string{
			"contact u1 map[deleted:false email:b@sales.example name:A role:rep]",
			"contact u2 map[deleted:false email:a@sales.example name:B role:rep]",
		}
		swap := []string{userEvent("e3", "updated", "u1", 2, "A", "b@sales.example"), userEvent("e4", "updated", "u2", 2, "B", "a@sales.example")}
		for _, apart := range []bool{true, false} {
			w := newWorld(t, nil)
			w.deliver(userEvent("e1", "created", "u1", 1, "A", "a@sales.example"), userEvent("e2", "created", "u2", 1, "B", "b@sales.example"))
			if apart {
				w.deliver(swap[0])
			}
			w.deliver(swap...)
			w.want(want...)
			if s := w.stats(); s.Counts[state.Pending]+s.Counts[state.Dead] != 0 {
				t.Errorf("stats %+v", s)
			}
		}
	})
}

// A user leaves and another one gets the address: in every order the address
// ends with the one who is left, and the calls with the one who made them.
func TestI5_AnAddressThatChangesHandsInAnyOrder(t *testing.T) {
	events := []string{
		userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"),
		strings.Replace(callEvent("e2", "c1", "u1", 2, "Call"), "u1@sales.example", "j@sales.example", 1),
		userEvent("e3", "deleted", "u1", 3, "Jonas", "j@sales.example"),
		userEvent("e4", "created", "u2", 4, "Mia", "j@sales.example"),
	}
	for _, order := range permutations(len(events)) {
		w := newWorld(t, nil)
		for _, i := range order {
			w.deliver(events[i])
		}
		w.want(
			"activity c1 -> contact u1",
			"activity c1 map[at:1999-11-02T08:00:02.000Z title:Call]",
			"contact u1 map[deleted:true name:Jonas role:rep]",
			"contact u2 map[deleted:false email:j@sales.example name:Mia role:rep]",
		)
		if t.Failed() {
			t.Fatalf("in order %v", order)
		}
	}
}

// A user is archived and comes back: in every order the record ends with its
// links.
func TestI5_AnArchivedRecordThatComesBackInAnyOrder(t *testing.T) {
	events := []string{
		userEvent("e1", "created", "u1", 1, "First", "j@sales.example"),
		strings.Replace(callEvent("e2", "c1", "u1", 2, "Call"), "u1@sales.example", "j@sales.example", 1),
		userEvent("e3", "deleted", "u1", 3, "Gone", "j@sales.example"),
		userEvent("e4", "updated", "u1", 4, "Back", "j@sales.example"),
		orgEvent("e5", "updated", "o1", 5, "Bright"),
	}
	for _, order := range permutations(len(events)) {
		w := newWorld(t, func(o *DispatcherOptions) { o.UserDeleted = DeleteArchive })
		for _, i := range order {
			w.deliver(events[i])
		}
		w.want(
			"activity c1 -> company o1",
			"activity c1 -> contact u1",
			"activity c1 map[at:1999-11-02T08:00:02.000Z title:Call]",
			"company o1 map[deleted:false name:Bright]",
			"contact u1 -> company o1",
			"contact u1 map[deleted:false email:j@sales.example name:Back role:rep]",
		)
		if s := w.stats(); s.WaitingLinks != 0 {
			t.Errorf("%d links wait", s.WaitingLinks)
		}
		if t.Failed() {
			t.Fatalf("in order %v", order)
		}
	}
}

// A record that the CRM passes over in silence while it takes others is dead;
// a CRM that passes over everything is broken, and nobody is.
func TestDispatcher_PassedOverInSilence(t *testing.T) {
	for _, everything := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.crm.judge = func(r crm.Record) *crm.Error {
				if everything || r.Key == "u3" {
					return &crm.Error{Code: crm.CodeSilentNoop, Message: "wrote nothing"}
				}
				return nil
			}
			for i := range 6 {
				w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), 1, "N", ""))
			}
			w.accept(callEvent("e9", "c9", "u3", 0, "Call")) // says the same of u3
			stop := w.start()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			stop()
			want := map[bool]string{true: "pending", false: "dead/refused"}[everything]
			if got := w.status("e3"); got != want {
				t.Errorf("everything %t: event is %s, want %s", everything, got, want)
			}
			if s := w.stats(); everything != (s.Counts[state.Dead] == 0) || !everything && s.Counts[state.Pending] > 0 {
				t.Errorf("everything %t: stats %+v", everything, s)
			}
		})
	}
}

// An owner whom the CRM does not take costs the owner, not the call.
func TestDispatcher_RefusedOwnerIsLeftOut(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.judge = func(r crm.Record) *crm.Error {
		if r.Fields["owner"] != nil {
			return &crm.Error{Kind: crm.Invalid, Code: "INVALID_OWNER", Field: "owner"}
		}
		return nil
	}
	w.deliver(strings.Replace(callEvent("e1", "c1", "u1", 1, "Call"), "u1@sales.example", "jonas@sales.example", 1))
	ev := w.event("e1")
	if ev.Status != state.Applied || !slices.ContainsFunc(ev.Records, func(r state.Record) bool { return r.Note == "owner_refused" }) {
		t.Errorf("event %+v", ev)
	}
}

// A hold gets longer when a probe fails, not with every record that meets it.
func TestDispatcher_OneBatchIsOneReasonToPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var broken atomic.Bool
		broken.Store(true)
		w.crm.judge = func(crm.Record) *crm.Error {
			if broken.Load() {
				return &crm.Error{Kind: crm.Misconfigured, Code: "MISSING_REQUIRED_PROPERTY", Field: "region"}
			}
			return nil
		}
		for i := range 100 {
			w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), 1, "N", ""))
		}
		stop := w.start()
		time.Sleep(time.Second)
		if s := w.d.CRMState(); !strings.Contains(s.Reason, "CRMSYNC_MAP_CONTACT_region") {
			t.Errorf("the reason names no variable: %s", s.Reason)
		}
		broken.Store(false)
		time.Sleep(pauseFirst)
		synctest.Wait()
		if s := w.stats(); s.Counts[state.Applied] != 100 {
			t.Errorf("after the first probe: %+v", s)
		}
		stop()
	})
}

// While rounds cannot be settled, their requests are not repeated at once.
func TestDispatcher_StateThatCannotBeWrittenHoldsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var lost atomic.Bool
		lost.Store(true)
		w.restart(func(o *DispatcherOptions) { o.Store = &forgetfulStore{w.store, lost.Load} })
		w.accept(userEvent("e1", "created", "u1", 1, "N", ""))
		stop := w.start()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := w.crm.count("upsert contact"); n > 60 {
			t.Errorf("%d requests in ten minutes", n)
		}
		lost.Store(false)
		time.Sleep(storeRetryMax)
		synctest.Wait()
		if got := w.status("e1"); got != "applied" {
			t.Errorf("event is %s", got)
		}
		stop()
	})
}

func TestDispatcher_Deletes(t *testing.T) {
	archive := func(o *DispatcherOptions) { o.UserDeleted = DeleteArchive }
	t.Run("archive removes what we created", func(t *testing.T) {
		w := newWorld(t, archive)
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.deliver(userEvent("e2", "deleted", "u1", 2, "Jonas", "j@sales.example"))
		w.want()
		if ev := w.event("e2"); ev.Status != state.Applied || ev.Records[0].Action != "archived" {
			t.Errorf("event %+v", ev)
		}
		w.deliver(callEvent("e3", "c1", "u1", 3, "Call"))
		w.want("activity c1 map[at:1999-11-02T08:00:03.000Z title:Call]")
		w.deliver(userEvent("e4", "updated", "u1", 4, "Back", "j@sales.example"))
		if w.crm.get(crm.Contact, "u1") == nil {
			t.Error("a later update does not revive")
		}
	})
	t.Run("archive marks what a person created", func(t *testing.T) {
		w := newWorld(t, archive)
		w.crm.add(crm.Contact, crm.Fields{"email": "j@sales.example"})
		w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.deliver(userEvent("e2", "deleted", "u1", 2, "Jonas", "j@sales.example"))
		w.want("contact u1 map[deleted:true email:j@sales.example name:Jonas role:rep]")
	})
	t.Run("archive of a user never seen keeps the tombstone", func(t *testing.T) {
		w := newWorld(t, archive)
		w.deliver(userEvent("e1", "deleted", "u1", 2, "Jonas", "j@sales.example"))
		w.deliver(userEvent("e2", "created", "u1", 1, "Jonas", "j@sales.example"))
		w.want()
		if got := w.status("e2"); got != "stale" {
			t.Errorf("late creation is %s", got)
		}
	})
	t.Run("ignore", func(t *testing.T) {
		w := newWorld(t, func(o *DispatcherOptions) { o.UserDeleted = DeleteIgnore })
		w.deliver(userEvent("e1", "deleted", "u1", 2, "Jonas", "j@sales.example"))
		if got := w.status("e1"); got != "skipped/ignored_delete" {
			t.Errorf("event is %s", got)
		}
	})
}

func TestDispatcher_Filters(t *testing.T) {
	w := newWorld(t, func(o *DispatcherOptions) {
		o.Mapper = newMapper(t, func(c *mapping.Config) {
			c.Filters = map[mapping.Kind]mapping.Expression{mapping.KindUser: {Source: `user.name != "Snap u1"`, Variable: "CRMSYNC_FILTER_USER"}}
		})
	})
	w.deliver(callEvent("e1", "c1", "u1", 1, "Call"))
	w.want("activity c1 map[at:1999-11-02T08:00:01.000Z title:Call]")
	w.deliver(userEvent("e2", "updated", "u1", 2, "Snap u1", "x@sales.example"))
	if got := w.status("e2"); got != "skipped/filtered" {
		t.Errorf("filtered user is %s", got)
	}
	w.deliver(userEvent("e3", "deleted", "u1", 3, "Snap u1", "x@sales.example"))
	if got := w.status("e3"); got != "skipped/filtered" {
		t.Errorf("deletion of an unknown filtered user is %s", got)
	}
	if s := w.stats(); s.Counts[state.Pending] != 0 || s.WaitingLinks != 1 { // the company
		t.Errorf("stats %+v", s)
	}
}

func TestDispatcher_OwnersThatCannotBeLoadedHoldWhatNeedsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var broken atomic.Bool
		broken.Store(true)
		w.crm.before = func(op string, _ []string) error {
			if op == "owners" && broken.Load() {
				return &crm.Error{Status: 503}
			}
			return nil
		}
		stop := w.start()
		w.accept(callEvent("e1", "c1", "jonas", 1, "Call"), orgEvent("e2", "updated", "o1", 1, "Bright"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.crm.get(crm.Activity, "c1") != nil {
			t.Error("written without knowing the owner")
		}
		if got := w.status("e2"); got != "applied" {
			t.Errorf("an event that needs no owner is %s", got)
		}
		broken.Store(false)
		time.Sleep(pauseMax)
		synctest.Wait()
		if rec := w.crm.get(crm.Activity, "c1"); rec == nil || rec.fields["owner"] != "own-1" {
			t.Errorf("activity %+v", rec)
		}
		stop()
	})
}

// Of a CRM without upsert, a record whose creation was never answered rests
// for the settling time and is then looked for.
func TestDispatcher_InDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.crm.noUpsert = true
		var doubts []bool
		first := true
		w.crm.judge = func(r crm.Record) *crm.Error { doubts = append(doubts, r.InDoubt); return nil }
		w.crm.before = func(op string, _ []string) error {
			if first && op == "upsert contact" {
				first = false
				return tookEffect{&crm.Error{Err: errors.New("connection reset")}}
			}
			return nil
		}
		w.accept(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
		stop := w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.status("e1"); got != "pending" || w.crm.count("upsert contact") != 1 {
			t.Errorf("within the settling time: %s, sent %d times", got, w.crm.count("upsert contact"))
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		stop()
		if got := w.status("e1"); got != "applied" || !slices.Equal(doubts, []bool{false, true}) {
			t.Errorf("after the settling time: %s, in doubt %v", got, doubts)
		}
	})
}

// A record that the CRM refused to create is in doubt no longer: sent again, it
// neither rests nor is it looked for. One whose create was never answered is looked
// for each time: what the CRM refuses may be an update of it.
func TestDispatcher_RefusedIsNotInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.crm.noUpsert = true
		var doubts []bool
		w.crm.judge = func(r crm.Record) *crm.Error {
			doubts = append(doubts, r.InDoubt)
			if n := len(doubts); n == 1 || n == 3 {
				return &crm.Error{Kind: crm.Invalid, Field: "email", Code: "BAD"}
			}
			return nil
		}
		w.crm.before = func(op string, _ []string) error {
			if op == "upsert contact" && len(doubts) == 1 {
				return tookEffect{&crm.Error{Err: errors.New("connection reset")}}
			}
			return nil
		}
		redeliver := func() {
			w.accept(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
			synctest.Wait()
		}
		stop := w.start()
		redeliver()
		if got := w.status("e1"); got != "dead/refused" {
			t.Fatalf("refused: %s", got)
		}
		redeliver()
		if got := w.status("e1"); got != "pending" {
			t.Errorf("sent again, without an answer: %s", got)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := w.status("e1"); got != "dead/refused" {
			t.Errorf("looked for, then refused: %s", got)
		}
		redeliver()
		stop()
		if got := w.status("e1"); got != "applied" || !slices.Equal(doubts, []bool{false, false, true, true}) {
			t.Errorf("in the end: %s, in doubt %v", got, doubts)
		}
	})
}

func TestDispatcher_RefusesAForeignState(t *testing.T) {
	w := newWorld(t, nil)
	if err := w.store.Settle(context.Background(), state.Batch{Binding: &state.Binding{Kind: "fake", Account: "another", IDField: "id"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.d.Run(t.Context()); !errors.Is(err, state.ErrBinding) {
		t.Errorf("got %v", err)
	}
}
