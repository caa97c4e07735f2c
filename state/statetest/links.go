package statetest

import (
	"time"

	"crmsync/state"
)

var linkTests = []test{
	{"keeps every member of a link", func(f *fixture) {
		l := state.Link{
			Lane: contact("84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d71"), RemoteID: "901",
			Version: state.Version{Source: 1, At: epoch, Rank: 3, EventID: "evt-1"}, Hash: []byte{1, 2},
			Deleted: true, Gone: true, Adopted: true, Withheld: "email",
			Targets:   []state.Target{{Lane: company("o"), Made: true}, {Lane: company("p"), Drop: true}, {Lane: contact("84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d71")}},
			Mapping:   []byte{3},
			Wrote:     []state.Wrote{{Field: "phone", Hash: []byte{4}}, {Field: "title", Hash: []byte{5}, Next: []byte{6}}, {Field: "x", Next: []byte{7}}},
			UpdatedAt: epoch.Add(time.Second),
		}
		plain := state.Link{Lane: activity("a"), UpdatedAt: epoch}
		f.settle(state.Batch{Links: []state.Link{l, plain}})
		f.reopen()
		links, err := f.store.Links(f.ctx, l.Lane, plain.Lane, contact("unknown"))
		f.ok(err)
		f.equal("links", links, map[state.Lane]state.Link{l.Lane: l, plain.Lane: plain})
		plain.RemoteID = "5"
		f.settle(state.Batch{Links: []state.Link{plain}})
		links, err = f.store.Links(f.ctx, plain.Lane)
		f.ok(err)
		f.equal("links", links, map[state.Lane]state.Link{plain.Lane: plain})
	}},
	{"dates a link that is not dated", func(f *fixture) {
		f.settle(state.Batch{Links: []state.Link{{Lane: contact("1")}}})
		links, err := f.store.Links(f.ctx, contact("1"))
		f.ok(err)
		f.equal("updated", links[contact("1")].UpdatedAt, epoch)
	}},
	{"makes waiting links ready when their target is known", func(f *fixture) {
		w1, w2 := waitLink("o", "u1"), waitLink("o", "u2")
		f.settle(state.Batch{Links: remembered("u1", "u2"), Waiting: []state.Waiting{w1, w2, w1}})
		f.equal("waiting links", f.stats().WaitingLinks, 2)
		f.ready(10)
		f.settle(state.Batch{Links: []state.Link{{Lane: company("o"), RemoteID: "77"}}})
		f.ready(10, w1, w2)
		f.ready(1, w1)
		f.settle(state.Batch{Links: []state.Link{{Lane: company("o")}}}) // forgotten again
		f.ready(10)
		f.settle(state.Batch{Links: []state.Link{{Lane: company("o"), RemoteID: "78"}}})
		f.reopen()
		f.ready(10, w1, w2)
		f.settle(state.Batch{Drained: []state.Waiting{w1, w1}})
		f.ready(10, w2)
		f.equal("waiting links", f.stats().WaitingLinks, 1)
		f.settle(state.Batch{Drained: []state.Waiting{w2}})
		f.ready(10)
	}},
	{"is ready at once when the target is known", func(f *fixture) {
		w := waitLink("o", "u1")
		f.settle(state.Batch{
			Links:   []state.Link{{Lane: company("o"), RemoteID: "77"}, {Lane: contact("u1"), RemoteID: "1"}},
			Waiting: []state.Waiting{w},
		})
		ready, err := f.store.ReadyLinks(f.ctx, 10)
		f.ok(err)
		if len(ready) != 1 || ready[0].Waiting != w || ready[0].TargetLink.RemoteID != "77" || ready[0].RecordLink.RemoteID != "1" {
			f.Errorf("got %+v", ready)
		}
	}},
	{"keeps what waits for a record that is gone, for its return", func(f *fixture) {
		value := state.Waiting{Kind: state.WaitValue, Target: company("o"), Record: contact("u3")}
		other := waitLink("p", "u1")
		f.settle(state.Batch{Links: remembered("u1", "u2", "u3"), Waiting: []state.Waiting{waitLink("o", "u1"), waitLink("o", "u2"), value, other}})
		f.settle(state.Batch{Links: []state.Link{{Lane: company("o"), RemoteID: "77", Gone: true}}})
		f.waits(other, company("p"))
		f.equal("waiting links", f.stats().WaitingLinks, 3)
		f.ready(10)
		f.settle(state.Batch{Links: []state.Link{{Lane: company("o"), RemoteID: "78"}}})
		f.ready(10, waitLink("o", "u1"), waitLink("o", "u2"))
	}},
	{"tells targets with the same beginning apart", func(f *fixture) {
		f.settle(state.Batch{Links: remembered("u1", "u2"), Waiting: []state.Waiting{waitLink("o", "u1"), waitLink("oo", "u2")}})
		f.waits(waitLink("o", "u1"), company("o"))
		f.waits(waitLink("oo", "u2"), company("oo"))
	}},
	{"does not count values as waiting links", func(f *fixture) {
		w := state.Waiting{Kind: state.WaitValue, Target: contact("1"), Record: contact("2")}
		f.settle(state.Batch{Waiting: []state.Waiting{w}, Links: remembered("1", "2")})
		f.equal("waiting links", f.stats().WaitingLinks, 0)
		f.ready(10)
		f.waits(w, contact("1"))
	}},
	{"lists objects in order, resumably", func(f *fixture) {
		keys := []state.Lane{activity("b"), company("84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d71"), company("9"), company("a"), contact("a"), contact("aa")}
		for i := range keys {
			f.settle(state.Batch{Links: []state.Link{{Lane: keys[(i*5)%len(keys)]}}})
		}
		f.objects(state.ObjectFilter{}, keys...)
		f.objects(state.ObjectFilter{Object: "company"}, keys[1:4]...)
		f.objects(state.ObjectFilter{Key: "a"}, keys[3], keys[4])
		f.objects(state.ObjectFilter{Key: "a", After: keys[3]}, keys[4])
		f.objects(state.ObjectFilter{Key: "a", Object: "contact"}, keys[4])
		f.objects(state.ObjectFilter{Object: "deal"})
		f.objects(state.ObjectFilter{Limit: 2}, keys[:2]...)
		f.objects(state.ObjectFilter{Limit: 2, After: keys[1]}, keys[2:4]...)
		f.objects(state.ObjectFilter{After: company("99")}, keys[3:]...)
		f.objects(state.ObjectFilter{After: keys[5]})
	}},
}

// remembered are the links of contacts from which others wait to be made.
func remembered(keys ...string) (links []state.Link) {
	for _, key := range keys {
		links = append(links, state.Link{Lane: contact(key), RemoteID: key})
	}
	return links
}

func waitLink(target, record string) state.Waiting {
	return state.Waiting{Kind: state.WaitLink, Target: company(target), Record: contact(record)}
}

func (f *fixture) ready(limit int, want ...state.Waiting) {
	f.Helper()
	ready, err := f.store.ReadyLinks(f.ctx, limit)
	f.ok(err)
	var got []state.Waiting
	for _, r := range ready {
		got = append(got, r.Waiting)
	}
	f.equal("ready", got, want)
}

func (f *fixture) waits(want state.Waiting, target state.Lane) {
	f.Helper()
	got, err := f.store.Waiting(f.ctx, target)
	f.ok(err)
	f.equal("waiting", got, []state.Waiting{want})
}

func (f *fixture) objects(o state.ObjectFilter, want ...state.Lane) {
	f.Helper()
	links, err := f.store.Objects(f.ctx, o)
	f.ok(err)
	var got []state.Lane
	for _, l := range links {
		got = append(got, l.Lane)
	}
	f.equal("objects", got, want)
}
