package crmtest

import (
	"maps"
	"slices"
	"testing"

	"crmsync/crm"
)

// compare holds what a client reads against what was written. It is for clients
// that are Comparers.
func (s *suite) compare(t *testing.T) {
	if _, ok := s.Open(t, false).Client().(crm.Comparer); !ok {
		return
	}
	for _, o := range crm.Objects() {
		t.Run(string(o)+" new, same and changed", func(t *testing.T) { s.comparesChanges(t, o) })
	}
	t.Run("record deleted by a person", s.comparesDeleted)
	t.Run("no records", func(t *testing.T) { s.comparison(t, s.Open(t, false), crm.Contact, nil) })
	t.Run("credentials refused", func(t *testing.T) {
		a := s.Open(t, false)
		a.Revoke()
		_, err := comparer(a).Compare(t.Context(), crm.Company, s.records(crm.Company, 1), []string{s.Text[crm.Company]})
		s.expect(t, err, crm.Unauthorized)
	})
	if s.Email != "" {
		t.Run("record to adopt", s.comparesAdoptee)
	}
}

// comparesChanges asks about records in another order than they were written.
func (s *suite) comparesChanges(t *testing.T, o crm.Object) {
	a := s.Open(t, false)
	records := s.records(o, 3)
	results := s.write(t, a, o, records[1:])
	for i, r := range results {
		records[i+1].RemoteID = r.RemoteID
	}
	text := s.Text[o]
	records[2].Fields = maps.Clone(records[2].Fields)
	records[2].Fields[text] = "changed"
	slices.Reverse(records)
	changed, same, missing := 0, 1, 2
	now := s.comparison(t, a, o, records)
	if c := now[changed].Fields[text]; now[changed].RemoteID != results[1].RemoteID || c.New != "changed" || c.OldForm == c.NewForm || c.OldForm == "" {
		t.Errorf("a changed record: got %+v, want another value of %s", now[changed], text)
	}
	if now[same].RemoteID != results[0].RemoteID {
		t.Errorf("the same record: got the id %q, want %q", now[same].RemoteID, results[0].RemoteID)
	}
	for name, c := range now[same].Fields {
		if c.OldForm != c.NewForm || c.OldForm == "" {
			t.Errorf("the same record: %s is %+v, want equal forms", name, c)
		}
	}
	for name, c := range now[missing].Fields {
		if now[missing].RemoteID != "" || c.Old != "" || c.OldForm != "" {
			t.Errorf("a record that is not there: got %q with %s %+v", now[missing].RemoteID, name, c)
		}
	}
}

func (s *suite) comparesDeleted(t *testing.T) {
	a := s.Open(t, false)
	records := s.records(crm.Contact, 1)
	records[0].RemoteID = s.write(t, a, crm.Contact, records)[0].RemoteID
	a.Delete(crm.Contact, records[0].RemoteID)
	if now := s.comparison(t, a, crm.Contact, records)[0]; now.RemoteID != "" {
		t.Errorf("got the id %q of a record that is gone", now.RemoteID)
	}
}

func (s *suite) comparesAdoptee(t *testing.T) {
	a := s.Open(t, false)
	foreign := a.Add(crm.Contact, crm.Fields{s.Email: address, s.FirstName: "Joni"})
	record := s.contact("user-1")
	if now := s.comparison(t, a, crm.Contact, []crm.Record{record})[0]; now.RemoteID != "" {
		t.Errorf("got the id %q for a record that is not adopted", now.RemoteID)
	}
	record.Adopted, record.RemoteID = true, foreign
	now := s.comparison(t, a, crm.Contact, []crm.Record{record})[0]
	if now.RemoteID != foreign || now.Fields[s.FirstName].Old != "Joni" {
		t.Errorf("got %+v, want the fields of %s", now, foreign)
	}
}

func comparer(a Account) crm.Comparer { return a.Client().(crm.Comparer) }

// comparison compares all fields, and fails when that writes.
func (s *suite) comparison(t *testing.T, a Account, o crm.Object, records []crm.Record) []crm.Current {
	t.Helper()
	var fields []string
	if len(records) > 0 {
		fields = slices.Sorted(maps.Keys(records[0].Fields))
	}
	writes := a.Writes()
	now, err := comparer(a).Compare(t.Context(), o, records, fields)
	if err != nil || len(now) != len(records) {
		t.Fatalf("compare %s: got %d answers for %d records: %v", o, len(now), len(records), err)
	}
	if a.Writes() != writes {
		t.Fatal("the comparison wrote")
	}
	return now
}
