package crmtest

import (
	"fmt"
	"testing"

	"crmsync/crm"
)

func (s *suite) links(t *testing.T) {
	a := s.Open(t, false)
	linker, ok := a.Client().(crm.Linker)
	if !ok {
		t.Run("with their record", s.linkInUpsert)
		return
	}
	for _, pair := range [][2]crm.Object{{crm.Activity, crm.Contact}, {crm.Contact, crm.Company}, {crm.Activity, crm.Company}} {
		t.Run(fmt.Sprintf("%s to %s", pair[0], pair[1]), func(t *testing.T) { s.linkAndUnlink(t, pair[0], pair[1]) })
	}
	t.Run("full request", s.linkMany)
	t.Run("missing record", s.linkMissing)
	t.Run("none", func(t *testing.T) {
		if errs, err := linker.Link(t.Context(), nil); err != nil || len(errs) != 0 {
			t.Errorf("got %v and %v", errs, err)
		}
	})
}

// refs writes n records and returns where they are.
func (s *suite) refs(t *testing.T, a Account, o crm.Object, n int) []crm.Ref {
	t.Helper()
	records := s.records(o, n)
	var refs []crm.Ref
	for i, r := range s.write(t, a, o, records) {
		refs = append(refs, crm.Ref{Object: o, Key: records[i].Key, RemoteID: r.RemoteID})
	}
	return refs
}

// linkInUpsert is for clients that write links together with their record.
func (s *suite) linkInUpsert(t *testing.T) {
	a := s.Open(t, false)
	contact, company := s.refs(t, a, crm.Contact, 1)[0], s.refs(t, a, crm.Company, 1)[0]
	record := s.records(crm.Activity, 1)[0]
	record.Links = []crm.Ref{contact, company}
	for range 2 {
		record.RemoteID = s.write(t, a, crm.Activity, []crm.Record{record})[0].RemoteID
		for _, to := range record.Links {
			if got := a.Links(crm.Activity, to.Object); len(got) != 1 || got[0] != [2]string{record.RemoteID, to.RemoteID} {
				t.Errorf("got links %v to the %s, want one from %s to %s", got, to.Object, record.RemoteID, to.RemoteID)
			}
		}
	}
	record.Fields, record.Links, record.Unlinks = nil, []crm.Ref{contact}, []crm.Ref{company}
	for range 2 {
		s.write(t, a, crm.Activity, []crm.Record{record})
		if people, firms := a.Links(crm.Activity, crm.Contact), a.Links(crm.Activity, crm.Company); len(people) != 1 || len(firms) != 0 {
			t.Errorf("got links %v and %v, want only the contact's", people, firms)
		}
	}
}

// link makes or removes links and returns the error of each.
func (s *suite) link(t *testing.T, a Account, links []crm.Link) []error {
	t.Helper()
	linker, _ := a.Client().(crm.Linker)
	errs, err := linker.Link(t.Context(), links)
	if err != nil {
		t.Fatalf("link: %v", err)
	}
	if len(errs) != len(links) {
		t.Fatalf("got %d errors for %d links", len(errs), len(links))
	}
	return errs
}

func (s *suite) linkAndUnlink(t *testing.T, from, to crm.Object) {
	a := s.Open(t, false)
	froms, tos := s.refs(t, a, from, 2), s.refs(t, a, to, 2)
	links := []crm.Link{{From: froms[0], To: tos[0]}, {From: froms[1], To: tos[0]}, {From: froms[1], To: tos[1]}}
	for _, remove := range []bool{false, false, true, true} {
		for i := range links {
			links[i].Remove = remove
		}
		for i, err := range s.link(t, a, links[:2]) {
			if err != nil {
				t.Errorf("remove %v: link %d: %v", remove, i, err)
			}
		}
		want := 2
		if remove {
			want = 0
		}
		if got := a.Links(from, to); len(got) != want {
			t.Errorf("remove %v: got links %v, want %d", remove, got, want)
		}
	}
}

func (s *suite) linkMany(t *testing.T) {
	a := s.Open(t, false)
	p := a.Client().Properties()
	froms, to := s.refs(t, a, crm.Contact, min(p.MaxBatch, p.MaxLinks)), s.refs(t, a, crm.Company, 1)[0]
	var links []crm.Link
	for _, from := range froms {
		links = append(links, crm.Link{From: from, To: to})
	}
	for i, err := range s.link(t, a, links) {
		if err != nil {
			t.Fatalf("link %d: %v", i, err)
		}
	}
	if got := len(a.Links(crm.Contact, crm.Company)); got != len(links) {
		t.Errorf("got %d links, want %d", got, len(links))
	}
}

func (s *suite) linkMissing(t *testing.T) {
	a := s.Open(t, false)
	froms, tos := s.refs(t, a, crm.Activity, 3), s.refs(t, a, crm.Contact, 3)
	a.Delete(crm.Contact, tos[1].RemoteID)
	a.Delete(crm.Activity, froms[2].RemoteID)
	errs := s.link(t, a, []crm.Link{{From: froms[0], To: tos[0]}, {From: froms[1], To: tos[1]}, {From: froms[2], To: tos[2]}})
	if errs[0] != nil {
		t.Errorf("the good link: %v", errs[0])
	}
	for i, gone := range []crm.Ref{tos[1], froms[2]} {
		e := s.expect(t, errs[i+1], crm.NotFound)
		if e.Missing == nil || *e.Missing != gone {
			t.Errorf("link %d: the error names %+v as missing, want %+v", i+1, e.Missing, gone)
		}
	}
	if got := len(a.Links(crm.Activity, crm.Contact)); got != 1 {
		t.Errorf("got %d links, want 1", got)
	}
	for _, gone := range []crm.Link{{From: froms[1], To: tos[1], Remove: true}, {From: froms[2], To: tos[2], Remove: true}} {
		if err := s.link(t, a, []crm.Link{gone})[0]; err != nil {
			t.Errorf("removing a link that went with its record: %v", err)
		}
	}
	single := s.link(t, a, []crm.Link{{From: froms[0], To: tos[1]}})
	if e := s.expect(t, single[0], crm.NotFound); e.Missing == nil || *e.Missing != tos[1] {
		t.Errorf("a single link: the error names %+v as missing", e.Missing)
	}
}

// archive is for clients that can archive.
func (s *suite) archive(t *testing.T) {
	a := s.Open(t, false)
	archiver, ok := a.Client().(crm.Archiver)
	if !ok {
		return
	}
	for _, o := range crm.Objects() {
		t.Run(string(o), func(t *testing.T) {
			refs := s.refs(t, a, o, 3)
			for range 2 {
				errs, err := archiver.Archive(t.Context(), o, refs[:2])
				if err != nil || len(errs) != 2 || errs[0] != nil || errs[1] != nil {
					t.Fatalf("got %v and %v", errs, err)
				}
				left := byKey(t, a, o)
				if _, ok := left[refs[2].Key]; !ok || len(left) != 1 {
					t.Fatalf("got %d records, want the last of three", len(left))
				}
			}
		})
	}
}
