package crmtest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"crmsync/crm"
)

// preview holds previews against the upserts that follow them. It is for
// clients that are Previewers.
func (s *suite) preview(t *testing.T) {
	if _, ok := s.Open(t, false).Client().(crm.Previewer); !ok {
		return
	}
	for _, o := range crm.Objects() {
		t.Run(string(o)+" new, same, changed and cleared", func(t *testing.T) { s.foretellsChanges(t, o) })
		if len(s.Refused[o]) > 0 {
			t.Run(string(o)+" refused", func(t *testing.T) { s.foretellsRefusal(t, o) })
		}
	}
	t.Run("record deleted by a person", s.foretellsReturn)
	t.Run("no records", s.foretellsNothing)
	t.Run("no fields", s.foretellsNoFields)
	t.Run("credentials refused", s.foretellsUnauthorized)
	if s.Email != "" {
		t.Run("adoption", s.foretellsAdoption)
		t.Run("names the record of ours", s.foretellsHolder)
	}
}

func (s *suite) foretellsChanges(t *testing.T, o crm.Object) {
	a := s.Open(t, false)
	text := s.Text[o]
	records := s.records(o, 4)
	for i, r := range s.write(t, a, o, records[1:]) {
		records[i+1].RemoteID = r.RemoteID
	}
	records[2].Fields[text] = "changed"
	records[3].Fields[text] = ""
	previews := s.foretell(t, a, o, records)
	for i, want := range []crm.Action{crm.Created, crm.Unchanged, crm.Updated, crm.Updated} {
		if previews[i].Action != want {
			t.Errorf("record %d: got %s, want %s", i, previews[i].Action, want)
		}
	}
	for i, want := range map[int]string{2: "changed", 3: ""} {
		if c := previews[i].Changes; len(c) != 1 || c[0].Field != text || c[0].New != want {
			t.Errorf("record %d: got the changes %+v, want %s to become %q", i, c, text, want)
		}
	}
}

// foretellsRefusal allows a preview to see nothing wrong: not every rule can be
// read. What it does say has to be true.
func (s *suite) foretellsRefusal(t *testing.T, o crm.Object) {
	a := s.Open(t, false)
	records := s.records(o, 1)
	maps.Copy(records[0].Fields, s.Refused[o])
	s.foretell(t, a, o, records)
}

// foretellsReturn is the counterpart of deletedMeanwhile.
func (s *suite) foretellsReturn(t *testing.T) {
	a := s.Open(t, false)
	records := s.records(crm.Contact, 1)
	gone := s.write(t, a, crm.Contact, records)[0].RemoteID
	a.Delete(crm.Contact, gone)
	records[0].RemoteID = gone
	p := s.foretell(t, a, crm.Contact, records)[0]
	if p.Err == nil && (p.Action != crm.Created || p.RemoteID != "") {
		t.Errorf("got %s of %q, want a new record", p.Action, p.RemoteID)
	}
}

func (s *suite) foretellsNothing(t *testing.T) {
	a := s.Open(t, false)
	if got := s.foretell(t, a, crm.Contact, nil); len(got) != 0 {
		t.Errorf("got %d previews of no record", len(got))
	}
}

func (s *suite) foretellsNoFields(t *testing.T) {
	a := s.Open(t, false)
	record := s.records(crm.Contact, 1)[0]
	record.RemoteID = s.write(t, a, crm.Contact, []crm.Record{record})[0].RemoteID
	record.Fields = nil
	p := s.foretell(t, a, crm.Contact, []crm.Record{record})[0]
	if p.Action != crm.Unchanged || p.RemoteID != record.RemoteID {
		t.Errorf("got %s of %q, want %s unchanged", p.Action, p.RemoteID, record.RemoteID)
	}
}

func (s *suite) foretellsUnauthorized(t *testing.T) {
	a := s.Open(t, false)
	a.Revoke()
	_, err := previewer(a).Preview(t.Context(), crm.Company, s.records(crm.Company, 1))
	s.expect(t, err, crm.Unauthorized)
}

// foretellsAdoption ends with the record as it is remembered afterwards: the
// person's own name differs from ours and stays.
func (s *suite) foretellsAdoption(t *testing.T) {
	a := s.Open(t, false)
	foreign := a.Add(crm.Contact, crm.Fields{s.Email: address, s.FirstName: "Joni"})
	record := s.contact("user-1")
	p := s.foretell(t, a, crm.Contact, []crm.Record{record})[0]
	if p.Action != crm.Adopted || p.Proof != s.Email || p.RemoteID != foreign {
		t.Errorf("got %s of %q, want %s adopted", p.Action, p.RemoteID, foreign)
	}
	if slices.ContainsFunc(p.Changes, func(c crm.Change) bool { return c.Field == s.FirstName }) {
		t.Errorf("the person's own %s would change: %+v", s.FirstName, p.Changes)
	}
}

func (s *suite) foretellsHolder(t *testing.T) {
	a := s.Open(t, false)
	s.write(t, a, crm.Contact, []crm.Record{s.contact("user-1")})
	p := s.foretell(t, a, crm.Contact, []crm.Record{s.contact("user-2")})[0]
	e := s.expect(t, p.Err, crm.Conflict)
	if e.Holder == nil || e.Holder.Key != "user-1" {
		t.Errorf("the error names the holder %+v, want user-1", e.Holder)
	}
}

func previewer(a Account) crm.Previewer { return a.Client().(crm.Previewer) }

// foretell previews records, upserts them and previews them again. It fails
// unless the first changed nothing and came true, and the second finds
// nothing left to do. It returns the first.
func (s *suite) foretell(t *testing.T, a Account, o crm.Object, records []crm.Record) []crm.Preview {
	t.Helper()
	before, writes := contents(a, o), a.Writes()
	previews := s.look(t, a, o, records)
	if a.Writes() != writes || !maps.EqualFunc(contents(a, o), before, maps.Equal) {
		t.Fatal("the preview wrote")
	}
	for i, p := range previews {
		records[i].Adopted = records[i].Adopted || p.Action == crm.Adopted // as permitted once it is noted
	}
	results, err := a.Client().Upsert(t.Context(), o, records)
	if len(records) == 1 && err != nil {
		results, err = []crm.Result{{Err: err}}, nil
	}
	if err != nil || len(results) != len(records) {
		t.Fatalf("got %d results for %d records: %v", len(results), len(records), err)
	}
	after := contents(a, o)
	for i, p := range previews {
		if err := s.cameTrue(p, results[i]); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if results[i].Err != nil {
			return previews // nothing was written
		}
		if err := changedAsTold(p, before[p.RemoteID], after[results[i].RemoteID]); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
		records[i].RemoteID, records[i].Adopted = results[i].RemoteID, results[i].Action == crm.Adopted
	}
	for i, p := range s.look(t, a, o, records) {
		if p.Err != nil || p.Action != crm.Unchanged || p.RemoteID != records[i].RemoteID || len(p.Changes) > 0 {
			t.Errorf("record %d, after it was written: got %+v, want it unchanged", i, p)
		}
	}
	return previews
}

// look previews records that the CRM answers for.
func (s *suite) look(t *testing.T, a Account, o crm.Object, records []crm.Record) []crm.Preview {
	t.Helper()
	previews, err := previewer(a).Preview(t.Context(), o, records)
	if err != nil || len(previews) != len(records) {
		t.Fatalf("preview %s: got %d previews for %d records: %v", o, len(previews), len(records), err)
	}
	return previews
}

// contents are the fields of all records by remote id. "" is a new one.
func contents(a Account, o crm.Object) map[string]map[string]string {
	all := map[string]map[string]string{"": {}}
	for _, r := range a.Records(o) {
		all[r.RemoteID] = r.Fields
	}
	return all
}

// cameTrue says where a preview and the result of the upsert differ. A CRM may
// not tell what an upsert did, nor that it changed nothing.
func (s *suite) cameTrue(p crm.Preview, r crm.Result) error {
	if p.Err != nil || r.Err != nil {
		return s.failedAsTold(p.Err, r.Err)
	}
	told := r.Action == p.Action || r.Action == crm.Upserted && p.Action != crm.Adopted ||
		r.Action == crm.Updated && p.Action == crm.Unchanged
	if !told || p.RemoteID != "" && p.RemoteID != r.RemoteID {
		return fmt.Errorf("told %s of %q, was %s of %q", p.Action, p.RemoteID, r.Action, r.RemoteID)
	}
	return nil
}

// failedAsTold allows a refused value, and nothing else, to come unforeseen.
func (s *suite) failedAsTold(told, was error) error {
	if was == nil {
		return fmt.Errorf("told an error, was written: %w", told)
	}
	got, fault := s.inspect(was)
	if fault != nil {
		return fault
	}
	if told == nil {
		if got.Kind != crm.Invalid {
			return fmt.Errorf("told no error, failed: %w", got)
		}
		return nil
	}
	want, fault := s.inspect(told)
	if fault != nil {
		return fault
	}
	sameHolder := (got.Holder == nil) == (want.Holder == nil) && (got.Holder == nil || *got.Holder == *want.Holder)
	if got.Kind != want.Kind || got.Field != want.Field || !sameHolder {
		return fmt.Errorf("told %w, holder %v; failed with %w, holder %v", want, want.Holder, got, got.Holder)
	}
	return nil
}

// changedAsTold says which field of a record is not as a preview told. A field
// that is absent is empty.
func changedAsTold(p crm.Preview, before, after map[string]string) error {
	want := map[string]string{}
	maps.Copy(want, before)
	for _, c := range p.Changes {
		if before[c.Field] != c.Old {
			return fmt.Errorf("%s was %q, told as %q", c.Field, before[c.Field], c.Old)
		}
		want[c.Field] = c.New
	}
	for _, fields := range []map[string]string{want, after} {
		for name := range fields {
			if after[name] != want[name] {
				return fmt.Errorf("%s is %q, told as %q", name, after[name], want[name])
			}
		}
	}
	return nil
}
