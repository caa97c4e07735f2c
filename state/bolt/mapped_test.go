package bolt

import (
	"maps"
	"testing"

	"crmsync/state"
)

// A file that a release without the counts wrote last is counted, by whoever
// reads it first and then with the first commit.
func TestMapped_CountsWhatAnEarlierReleaseWrote(t *testing.T) {
	s := openTest(t, Options{})
	contact := state.Lane{Object: "contact", Key: "a"}
	old := []byte{7}
	b := state.Batch{Links: []state.Link{
		{Lane: contact, RemoteID: "901", Mapping: old},
		{Lane: state.Lane{Object: "contact", Key: "b"}, RemoteID: "902"},
		{Lane: state.Lane{Object: "contact", Key: "c"}, Mapping: old}, // nothing in the CRM
	}}
	if err := s.Settle(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	forget := func(g *group) error { g.sums.Mapped, g.dirty = nil, true; return nil }
	if errs := inOneGroup(s, forget); errs[0] != nil {
		t.Fatal(errs[0])
	}
	want := map[state.MappedBy]int64{{Object: "contact", Fingerprint: "\a"}: 1, {Object: "contact"}: 1}
	check := func(when string) {
		t.Helper()
		stats, err := s.Stats(t.Context())
		if err != nil || !maps.Equal(stats.Mapped, want) {
			t.Errorf("%s: got %v, %v", when, stats.Mapped, err)
		}
		lost, err := s.OutOfReach(t.Context(), map[string][]byte{"contact": {8}})
		if err != nil || lost["contact"] != 2 {
			t.Errorf("%s: out of reach %v, %v", when, lost, err)
		}
		if findings, err := s.Verify(t.Context()); err != nil || len(findings) > 0 {
			t.Errorf("%s: %v, %v", when, findings, err)
		}
	}
	check("before the first commit")
	if err := s.Settle(t.Context(), state.Batch{Links: []state.Link{{Lane: contact, RemoteID: "901", Mapping: []byte{8}}}}); err != nil {
		t.Fatal(err)
	}
	err := s.view(t.Context(), func(t *tables) error {
		want = mappedStats(t.totals().Mapped)
		return nil
	})
	if err != nil || len(want) != 2 || want[state.MappedBy{Object: "contact", Fingerprint: "\b"}] != 1 {
		t.Errorf("after the first commit: %v, %v", want, err)
	}
}

// A damaged link hides nobody else's numbers, and state verify names it.
func TestMapped_PassesOverADamagedLink(t *testing.T) {
	s := openTest(t, Options{})
	damage := func(g *group) error {
		g.putLink(state.Link{Lane: state.Lane{Object: "contact", Key: "b"}, RemoteID: "902"})
		g.put(links, laneKey(state.Lane{Object: "contact", Key: "a"}), []byte("junk"))
		return nil
	}
	if errs := inOneGroup(s, damage); errs[0] != nil {
		t.Fatal(errs[0])
	}
	lost, err := s.OutOfReach(t.Context(), map[string][]byte{"contact": {8}})
	if err != nil || lost["contact"] != 1 {
		t.Errorf("out of reach %v, %v", lost, err)
	}
	mend := func(g *group) error {
		g.putLink(state.Link{Lane: state.Lane{Object: "contact", Key: "a"}, RemoteID: "901"})
		return nil
	}
	if errs := inOneGroup(s, mend); errs[0] != nil {
		t.Fatal(errs[0])
	}
	if findings, err := s.Verify(t.Context()); err != nil || len(findings) > 0 {
		t.Errorf("verify: %v, %v", findings, err)
	}
}
