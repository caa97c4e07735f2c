package statetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"crmsync/state"
)

var acceptTests = []test{
	{"keeps every member of a message", func(f *fixture) {
		m := f.call("c1")
		f.accept(m, state.Added)
		e := f.event("evt-c1")
		want := state.Event{
			Seq: e.Seq, ID: m.ID, MessageID: m.MessageID, Type: m.Type, Key: m.Key, OccurredAt: m.OccurredAt,
			ReceivedAt: m.ReceivedAt, SignedBy: m.SignedBy, Status: state.Pending, Lanes: m.Lanes, Body: m.Body, Size: len(m.Body),
		}
		f.equal("event", e, want)
	}},
	{"takes a message without anything readable", func(f *fixture) {
		m := state.Message{MessageID: "msg_1", Body: []byte{}, ReceivedAt: f.clock.Now()}
		if r := f.accept(m, state.Added); r.ID != "msg_1" {
			f.Errorf("id: got %q, want the message id", r.ID)
		}
		e := f.event("msg_1")
		if e.Body == nil || len(e.Body) != 0 || len(e.Lanes) != 0 || !e.OccurredAt.IsZero() {
			f.Errorf("got body %v, lanes %v, time %v", e.Body, e.Lanes, e.OccurredAt)
		}
	}},
	{"keeps ids, keys and times of any form", func(f *fixture) {
		for i, id := range []string{
			"84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d71", "84C2F6D0-1E7A-4D95-BB3F-6F0A9C8E2D71",
			"{84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d7", "x", strings.Repeat("y", 128), "\xff\x00 not text",
		} {
			m := f.call("c")
			m.MessageID, m.ID, m.Key = "msg_"+id, id, id[:min(len(id), 128)]
			m.Lanes = []state.Lane{contact(m.Key), company("other " + m.Key)}
			m.OccurredAt = time.Date(1+i*2000, 2, 3, 4, 5, 6, i, time.UTC)
			f.accept(m, state.Added)
			e := f.event(id)
			f.equal("key", e.Key, m.Key)
			f.equal("lanes", e.Lanes, m.Lanes)
			f.equal("time", e.OccurredAt, m.OccurredAt)
			f.equal("message", f.event(m.MessageID).Seq, e.Seq)
		}
	}},
	{"the same message id is a duplicate", func(f *fixture) {
		f.add("c1")
		m := f.call("c2")
		m.MessageID = "msg_c1"
		if r := f.accept(m, state.Duplicate); r.ID != "evt-c1" {
			f.Errorf("id: got %q", r.ID)
		}
		f.counts(map[state.Status]int64{state.Pending: 1})
		if s := f.stats(); s.Duplicates != 1 || s.Received != 1 {
			f.Errorf("got %d duplicates of %d", s.Duplicates, s.Received)
		}
	}},
	{"the same event with another message id is a duplicate", func(f *fixture) {
		f.add("c1")
		m := f.call("c1")
		m.MessageID = "msg_other"
		f.accept(m, state.Duplicate)
	}},
	{"a known event id with another type, key or time is another event", func(f *fixture) {
		f.add("c1")
		for i, change := range []func(*state.Message){
			func(m *state.Message) { m.Type = "user.created" },
			func(m *state.Message) { m.Key = "other" },
			func(m *state.Message) { m.OccurredAt = m.OccurredAt.Add(time.Nanosecond) },
		} {
			m := f.call("c1")
			m.MessageID = fmt.Sprintf("msg_other%d", i)
			change(&m)
			if r := f.accept(m, state.Added); r.ID != m.MessageID {
				f.Errorf("id: got %q, want the message id", r.ID)
			}
		}
	}},
	{"the message id decides when it disagrees with the event id", func(f *fixture) {
		f.add("c1", "c2")
		m := f.call("c2")
		m.MessageID = "msg_c1"
		if r := f.accept(m, state.Duplicate); r.ID != "evt-c1" {
			f.Errorf("got %q", r.ID)
		}
	}},
	{"a message id that is an event id already is made unique", func(f *fixture) {
		m := f.call("c1")
		m.ID = "msg_c2"
		f.accept(m, state.Added)
		m = f.call("c2")
		m.ID = ""
		r := f.accept(m, state.Added)
		if r.ID == "msg_c2" || r.ID == "" {
			f.Errorf("got id %q twice", r.ID)
		}
		f.equal("event", f.event(r.ID).MessageID, "msg_c2")
		f.equal("event id before message id", f.event("msg_c2").MessageID, "msg_c1")
	}},
	{"a duplicate of what ended unused is queued again with the new body", acceptRequeues},
	{"any other duplicate changes nothing", func(f *fixture) {
		for i, st := range []state.Settlement{
			{Status: state.Applied}, {Status: state.Unchanged}, {Status: state.Stale},
			{Status: state.Skipped, Reason: state.ReasonTestEvent}, {Status: state.Skipped, Reason: state.ReasonIgnoredDelete},
			{Status: state.Skipped, Reason: state.ReasonDiscarded}, {Status: state.Skipped, Reason: state.ReasonForgotten},
		} {
			m := f.call(fmt.Sprint("c", i))
			f.accept(m, state.Added)
			f.end(st)
			before := f.event(m.ID)
			m.Body = []byte("new")
			f.accept(m, state.Duplicate)
			f.equal("event", f.event(m.ID), before)
		}
	}},
	{"a duplicate of a test event is the last test", func(f *fixture) {
		f.add("c1")
		f.end(state.Settlement{Status: state.Skipped, Reason: state.ReasonTestEvent})
		f.equal("last test", f.stats().LastTestAt, epoch)
		f.clock.Advance(time.Hour)
		f.accept(f.call("c1"), state.Duplicate)
		f.equal("last test", f.stats().LastTestAt, epoch.Add(time.Hour))
		f.equal("last event", f.stats().LastEventAt, epoch.Add(time.Hour))
	}},
	{"identical concurrent requests add one event", func(f *fixture) {
		const n = 32
		var wg sync.WaitGroup
		outcomes := make([]state.Outcome, n)
		for i := range n {
			wg.Go(func() {
				r, err := f.store.Accept(f.ctx, f.call("c1"))
				if err != nil {
					f.Error(err)
				}
				outcomes[i] = r.Outcome
			})
		}
		wg.Wait()
		var added int
		for _, o := range outcomes {
			if o == state.Added {
				added++
			}
		}
		if s := f.stats(); added != 1 || s.Received != 1 || s.Duplicates != n-1 {
			f.Errorf("%d added, received %d, duplicates %d", added, s.Received, s.Duplicates)
		}
	}},
	{"what cannot be stored is refused and harms nobody", func(f *fixture) {
		for _, change := range []func(*state.Message){
			func(m *state.Message) { m.MessageID = "" },
			func(m *state.Message) { m.MessageID = strings.Repeat("x", 1<<20) },
			func(m *state.Message) { m.ID = strings.Repeat("x", 1<<20) },
			func(m *state.Message) { m.Lanes = []state.Lane{lane("deal", "1")} },
			func(m *state.Message) { m.Lanes = []state.Lane{contact("")} },
			func(m *state.Message) { m.Lanes = []state.Lane{contact(strings.Repeat("x", 1<<20))} },
		} {
			m := f.call("c1")
			change(&m)
			if _, err := f.store.Accept(f.ctx, m); err == nil || errors.Is(err, state.ErrFull) {
				f.Errorf("accepted %.40s: %v", m.MessageID, err)
			}
		}
		m := f.call("c2")
		m.Type = strings.Repeat("t", 1<<20)
		f.accept(m, state.Added) // a long type is cut, the event is still known
		m.MessageID = "msg_other"
		f.accept(m, state.Duplicate)
		f.counts(map[state.Status]int64{state.Pending: 1})
	}},
	{"wakes the claimer", func(f *fixture) {
		f.add("c1")
		select {
		case <-f.store.Wake():
		case <-time.After(10 * time.Second):
			f.Error("no wake")
		}
	}},
}

func acceptRequeues(f *fixture) {
	for i, st := range []state.Settlement{
		{Status: state.Dead, Reason: state.ReasonRefused}, {Status: state.Skipped, Reason: state.ReasonFiltered},
		{Status: state.Skipped, Reason: state.ReasonUnsupportedType}, {Status: state.Skipped, Reason: state.ReasonObjectOff},
	} {
		m := f.call(fmt.Sprint("c", i))
		f.accept(m, state.Added)
		st.Error, st.Attempted = "refused", true
		st.Records = []state.Record{{Object: "contact", Key: m.Key, Status: state.Dead}}
		f.end(st)
		m.Body, m.Type, m.OccurredAt = []byte("new"), "user.updated", m.OccurredAt.Add(time.Hour)
		m.Key, m.Lanes = "other", []state.Lane{contact("other")}
		m.SignedBy.Secret = 1
		f.accept(m, state.Requeued)
		e := f.event(m.ID)
		f.equal("event", e, state.Event{
			Seq: e.Seq, ID: m.ID, MessageID: m.MessageID, Type: m.Type, Key: m.Key, OccurredAt: m.OccurredAt,
			ReceivedAt: m.ReceivedAt, SignedBy: m.SignedBy, Status: state.Pending, Lanes: m.Lanes, Body: m.Body, Size: len(m.Body),
		})
		if s := f.stats(); len(s.Reasons) != 0 || s.Counts[state.Pending] != 1 {
			f.Errorf("after %s: reasons %v, counts %v", st.Reason, s.Reasons, s.Counts)
		}
		c := f.claimed(state.ClaimOptions{}, m.ID)
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Applied}}})
	}
}
