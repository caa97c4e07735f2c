package connector

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"crmsync/state"
)

// said is an event: its id and its body.
type said struct{ id, body string }

// shortHistory is six events of a few records.
type shortHistory struct {
	name string
	// events returns them in the order in which they happened. The ids of a copy
	// end in its suffix.
	events func(suffix string) []said
	// ranks lists per record the names of the events that speak about it, the one
	// that wins last.
	ranks map[state.Lane][]string
	// replayed histories are delivered a second time: that takes a while.
	replayed bool
}

func recordOf(object, key string) state.Lane { return state.Lane{Object: object, Key: key} }

func ofUser(name, verb string, n int) func(string) said {
	return func(suffix string) said {
		user := "u" + suffix
		return said{name + suffix, userEvent(name+suffix, verb, user, n, "User "+name, user+"@sales.example")}
	}
}

func ofCall(name, call string, n int) func(string) said {
	return func(suffix string) said {
		body := callEvent(name+suffix, call+suffix, "u"+suffix, n, "Call "+name)
		return said{name + suffix, strings.Replace(body, "Snap u"+suffix, "Snap "+name, 1)}
	}
}

func ofOrg(name, verb string, n int) func(string) said {
	return func(suffix string) said {
		return said{name + suffix, orgEvent(name+suffix, verb, "o1"+suffix, n, "Org "+name)}
	}
}

// six makes the events of one copy, all of one organisation.
func six(events ...func(string) said) func(string) []said {
	return func(suffix string) (all []said) {
		for _, e := range events {
			s := e(suffix)
			s.body = strings.ReplaceAll(s.body, `"o1"`, `"o1`+suffix+`"`)
			all = append(all, s)
		}
		return all
	}
}

func shortHistories() []shortHistory {
	contact, company := recordOf("contact", "u"), recordOf("company", "o1")
	call, other := recordOf("activity", "c"), recordOf("activity", "d")
	return []shortHistory{{
		name: "a user who is deleted",
		events: six(
			ofUser("created", "created", 1), ofUser("again", "created", 2), ofUser("updated", "updated", 10),
			ofUser("late", "updated", 11), ofUser("deleted", "deleted", 12), ofCall("call", "c", 20)),
		ranks:    map[state.Lane][]string{contact: {"call", "created", "again", "updated", "late", "deleted"}, call: {"call"}},
		replayed: true,
	}, {
		name: "a user who comes back",
		events: six(
			ofUser("created", "created", 1), ofUser("updated", "updated", 3), ofCall("early", "d", 4),
			ofUser("deleted", "deleted", 5), ofUser("back", "updated", 9), ofCall("call", "c", 20)),
		ranks: map[state.Lane][]string{contact: {"early", "call", "created", "updated", "deleted", "back"}, call: {"call"}, other: {"early"}},
	}, {
		name: "a user of whom all is said at one moment",
		events: six(
			ofCall("call", "c", 5), ofUser("created", "created", 5), ofUser("created2", "created", 5),
			ofUser("updated", "updated", 5), ofUser("updated2", "updated", 5), ofUser("deleted", "deleted", 5)),
		ranks: map[state.Lane][]string{contact: {"call", "created", "created2", "updated", "updated2", "deleted"}, call: {"call"}},
	}, {
		name: "an organisation that is deleted",
		events: six(
			ofOrg("first", "updated", 1), ofOrg("deleted", "deleted", 3), ofOrg("back", "updated", 4),
			ofOrg("updated", "updated", 5), ofOrg("gone", "deleted", 7), ofCall("call", "c", 20)),
		ranks:    map[state.Lane][]string{company: {"first", "deleted", "back", "updated", "gone"}, contact: {"call"}, call: {"call"}},
		replayed: true,
	}, {
		name: "a call that is analysed again",
		events: six(
			ofUser("created", "created", 1), ofOrg("org", "updated", 2), ofCall("first", "c", 5),
			ofUser("updated", "updated", 6), ofCall("second", "c", 7), ofCall("third", "c", 9)),
		ranks: map[state.Lane][]string{
			contact: {"first", "second", "third", "created", "updated"}, call: {"first", "second", "third"}, company: {"org"},
		},
		replayed: true,
	}, {
		name: "calls of a user of whom nothing else is heard",
		events: six(
			ofOrg("org", "updated", 2), ofCall("first", "c", 5), ofCall("other", "d", 6),
			ofCall("second", "c", 7), ofCall("late", "d", 8), ofCall("third", "c", 9)),
		ranks: map[state.Lane][]string{
			contact: {"first", "other", "second", "late", "third"}, call: {"first", "second", "third"}, other: {"other", "late"}, company: {"org"},
		},
	}}
}

// I5: every order of six events leaves the state of the order in which they
// happened, one by one or all at once. A stale event writes nothing and names
// the one that beat it. A replay writes nothing at all.
func TestI5_AnyOrderGivesOneState(t *testing.T) {
	for _, h := range shortHistories() {
		for _, atOnce := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, at once %t", h.name, atOnce), func(t *testing.T) {
				t.Parallel()
				o := newOrders(t, h)
				if atOnce {
					o.receive("first", slices.Concat(o.copies...))
					o.settle()
				} else {
					o.oneByOne()
				}
				o.judge(atOnce)
				if atOnce && h.replayed {
					o.replay()
				}
			})
		}
	}
}

// orders is a world with one copy of a history for each order of its events.
type orders struct {
	*world
	shortHistory
	receiver *Receiver
	copies   [][]said // in the order in which they arrive
	want     []string // in the CRM in the end

	mu     sync.Mutex
	writes map[state.Lane]int
}

func suffix(copied int) string { return fmt.Sprintf("-%d", copied) }

func newOrders(t *testing.T, h shortHistory) *orders {
	o := &orders{world: newWorld(t, nil), shortHistory: h, writes: map[state.Lane]int{}}
	o.receiver = newTestReceiver(t, o.store.(Inbox))
	clean := newWorld(t, nil)
	for _, s := range h.events("-KEY") {
		clean.deliver(s.body)
	}
	for i, order := range permutations(6) {
		events, arriving := h.events(suffix(i)), []said(nil)
		for _, at := range order {
			arriving = append(arriving, events[at])
		}
		o.copies = append(o.copies, arriving)
		for _, line := range clean.crm.dump() {
			o.want = append(o.want, strings.ReplaceAll(line, "-KEY", suffix(i)))
		}
	}
	slices.Sort(o.want)
	o.crm.before = func(op string, keys []string) error {
		if object, ok := strings.CutPrefix(op, "upsert "); ok {
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, key := range keys {
				o.writes[recordOf(object, key)]++
			}
		}
		return nil
	}
	return o
}

// receive delivers events, signed, under message ids that begin with pass.
func (o *orders) receive(pass string, events []said) {
	o.t.Helper()
	var senders errgroup.Group
	senders.SetLimit(64)
	for _, s := range events {
		senders.Go(func() error {
			if res := serve(o.receiver, signedRequest(svixFamily, "msg_"+pass+"_"+strings.TrimSuffix(s.id, "~"), s.body)); res.StatusCode != http.StatusNoContent {
				return fmt.Errorf("%s was answered %d", s.id, res.StatusCode)
			}
			return nil
		})
	}
	if err := senders.Wait(); err != nil {
		o.t.Fatal(err)
	}
}

// oneByOne lets every copy have one event, then the next.
func (o *orders) oneByOne() {
	o.t.Helper()
	for i := range 6 {
		var step []said
		for _, c := range o.copies {
			step = append(step, c[i])
		}
		o.receive("first", step)
		o.settle()
	}
}

// judge looks at the CRM and at every line of the ledger.
func (o *orders) judge(atOnce bool) {
	o.t.Helper()
	o.unchanged(state.Stats{Received: int64(6 * len(o.copies))})
	for i, events := range o.copies {
		records := map[string][]state.Record{}
		for _, s := range events {
			records[s.id] = o.event(s.id).Records
		}
		for l, names := range o.ranks {
			l.Key += suffix(i)
			o.judgeLane(l, names, events, records, atOnce)
		}
		if o.t.Failed() {
			return // the other copies would say the same
		}
	}
}

// judgeLane wants the events that speak about one record to have won when
// nothing better had arrived, and nothing to be written for the others.
func (o *orders) judgeLane(l state.Lane, names []string, events []said, records map[string][]state.Record, atOnce bool) {
	o.t.Helper()
	best, applied := -1, 0
	for _, s := range events {
		name, _, _ := strings.Cut(s.id, "-")
		rank := slices.Index(names, name)
		at := slices.IndexFunc(records[s.id], func(r state.Record) bool { return r.Lane() == l })
		if rank < 0 != (at < 0) {
			o.t.Fatalf("%s: records %+v, lane %s", s.id, records[s.id], l)
		}
		if rank < 0 {
			continue
		}
		r := records[s.id][at]
		beaten, _, _ := strings.Cut(r.SupersededBy, "-")
		switch by := slices.Index(names, beaten); {
		case r.Status == state.Applied && (rank > best || atOnce):
			applied++
		case r.Status != state.Stale || by <= rank || rank > best && !atOnce:
			o.t.Errorf("%s among %v: %+v", s.id, ids(events), r)
		case !atOnce && by != best:
			o.t.Errorf("%s: beaten by %s, want %s", s.id, r.SupersededBy, names[best])
		}
		best = max(best, rank)
	}
	if n := o.writes[l]; n != applied || n == 0 {
		o.t.Errorf("%s: %d writes for %d events that won, of %v", l, n, applied, ids(events))
	}
}

func ids(events []said) (all []string) {
	for _, s := range events {
		all = append(all, s.id)
	}
	return all
}

// unchanged compares the CRM with the end, and the counts.
func (o *orders) unchanged(want state.Stats) {
	o.t.Helper()
	o.world.want(o.want...)
	s := o.stats()
	if s.Counts[state.Pending]+s.Counts[state.Dead]+s.Counts[state.Skipped] != 0 || s.Received != want.Received || s.Duplicates != want.Duplicates {
		o.t.Errorf("stats %+v, want %+v", s, want)
	}
}

// replay delivers everything once more, in three ways: the CRM does not hear of
// it.
func (o *orders) replay() {
	o.t.Helper()
	all, requests := slices.Concat(o.copies...), o.crm.total()
	want := state.Stats{Received: int64(len(all))}
	for _, pass := range []string{"first", "second"} { // the same message ids, and new ones
		o.receive(pass, all)
		o.settle()
		want.Duplicates += int64(len(all))
		o.unchanged(want)
	}
	var again []said // as other events that say the same
	for _, s := range all {
		again = append(again, said{s.id + "~", strings.Replace(s.body, `"`+s.id+`"`, `"`+s.id+`~"`, 1)})
	}
	o.receive("third", again)
	o.settle()
	want.Received += int64(len(all))
	o.unchanged(want)
	for _, s := range again {
		for _, r := range o.event(s.id).Records {
			if r.Status != state.Unchanged && (r.Status != state.Stale || r.SupersededBy == "") {
				o.t.Fatalf("%s: %+v", s.id, r)
			}
		}
	}
	if n := o.crm.total(); n != requests {
		o.t.Errorf("%d requests for what was known", n-requests)
	}
}
