package crmtest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"crmsync/crm"
)

func (s *suite) upsert(t *testing.T) {
	for _, o := range crm.Objects() {
		t.Run(string(o)+" repeated creates nothing new", func(t *testing.T) { s.repeated(t, o) })
		t.Run(string(o)+" keeps and clears fields", func(t *testing.T) { s.keepsAndClears(t, o) })
	}
	t.Run("full batch in order", s.inOrder)
	t.Run("no records", s.noRecords)
	t.Run("no fields", s.noFields)
	t.Run("record deleted by a person", s.deletedMeanwhile)
	t.Run("concurrently", s.concurrently)
}

func (s *suite) repeated(t *testing.T, o crm.Object) {
	a := s.Open(t, false)
	records := s.records(o, 3)
	first := s.write(t, a, o, records)
	for i := range records {
		if !a.Client().Properties().NativeUpsert {
			records[i].RemoteID = first[i].RemoteID // such adapters rely on the caller's memory
		}
	}
	for range 2 {
		again := s.write(t, a, o, records)
		for i := range records {
			if again[i].RemoteID != first[i].RemoteID {
				t.Errorf("record %d went to %s, then to %s", i, first[i].RemoteID, again[i].RemoteID)
			}
			if again[i].Action == crm.Created {
				t.Errorf("record %d was created again", i)
			}
		}
	}
	for i, r := range first {
		if r.Action != crm.Created && r.Action != crm.Upserted {
			t.Errorf("record %d is new and its action is %q", i, r.Action)
		}
	}
	if got := len(a.Records(o)); got != len(records) {
		t.Errorf("got %d records, want %d", got, len(records))
	}
}

func (s *suite) keepsAndClears(t *testing.T, o crm.Object) {
	a := s.Open(t, false)
	text := s.Text[o]
	record := s.records(o, 1)[0]
	record.Fields[text] = "first"
	record.RemoteID = s.write(t, a, o, []crm.Record{record})[0].RemoteID

	kept := record
	kept.Fields = maps.Clone(record.Fields)
	delete(kept.Fields, text)
	s.write(t, a, o, []crm.Record{kept})
	if got := byKey(t, a, o)[record.Key].Fields[text]; got != "first" {
		t.Errorf("an absent field went from %q to %q", "first", got)
	}
	for _, value := range []string{"second", ""} {
		record.Fields[text] = value
		s.write(t, a, o, []crm.Record{record})
		if got := byKey(t, a, o)[record.Key].Fields[text]; got != value {
			t.Errorf("got %q, want %q", got, value)
		}
	}
}

func (s *suite) inOrder(t *testing.T) {
	a := s.Open(t, false)
	records := s.records(crm.Company, a.Client().Properties().MaxBatch)
	results := s.write(t, a, crm.Company, records)
	found := byKey(t, a, crm.Company)
	for i, r := range records {
		if got, want := results[i].RemoteID, found[r.Key].RemoteID; got != want {
			t.Fatalf("result %d is %s, want %s", i, got, want)
		}
	}
}

func (s *suite) noRecords(t *testing.T) {
	a := s.Open(t, false)
	results, err := a.Client().Upsert(t.Context(), crm.Contact, nil)
	if err != nil || len(results) != 0 || a.Writes() != 0 {
		t.Errorf("got %d results, %d writes and %v", len(results), a.Writes(), err)
	}
}

// noFields is what remains of a record of which only links are to be changed.
func (s *suite) noFields(t *testing.T) {
	a := s.Open(t, false)
	record := s.records(crm.Contact, 1)[0]
	record.RemoteID = s.write(t, a, crm.Contact, []crm.Record{record})[0].RemoteID
	before := byKey(t, a, crm.Contact)[record.Key]
	record.Fields = nil
	result := s.write(t, a, crm.Contact, []crm.Record{record})[0]
	if result.RemoteID != record.RemoteID || result.Action == crm.Created {
		t.Errorf("got %s of %s, want %s left alone", result.Action, result.RemoteID, record.RemoteID)
	}
	if after := byKey(t, a, crm.Contact)[record.Key]; !maps.Equal(after.Fields, before.Fields) {
		t.Errorf("the fields went from %v to %v", before.Fields, after.Fields)
	}
}

// deletedMeanwhile allows for both: the record comes back under a new id, or
// the adapter says that the id is gone and the next try without it succeeds.
func (s *suite) deletedMeanwhile(t *testing.T) {
	a := s.Open(t, false)
	records := s.records(crm.Contact, 1)
	gone := s.write(t, a, crm.Contact, records)[0].RemoteID
	a.Delete(crm.Contact, gone)
	records[0].RemoteID = gone
	results, err := a.Client().Upsert(t.Context(), crm.Contact, records)
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Err != nil {
		s.expect(t, results[0].Err, crm.NotFound)
		records[0].RemoteID = ""
		results = s.write(t, a, crm.Contact, records)
	}
	if got := byKey(t, a, crm.Contact)[records[0].Key].RemoteID; got == "" || got != results[0].RemoteID {
		t.Errorf("the record is %q, the result says %q", got, results[0].RemoteID)
	}
}

func (s *suite) concurrently(t *testing.T) {
	a := s.Open(t, false)
	records := s.records(crm.Company, 12)
	var wg sync.WaitGroup
	for part := range slices.Chunk(records, 3) {
		wg.Go(func() {
			results, err := a.Client().Upsert(t.Context(), crm.Company, part)
			if err == nil && len(results) != len(part) {
				err = fmt.Errorf("got %d results for %d records", len(results), len(part))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(byKey(t, a, crm.Company)); got != len(records) {
		t.Errorf("got %d records, want %d", got, len(records))
	}
}

func (s *suite) refusals(t *testing.T) {
	for _, o := range crm.Objects() {
		if len(s.Refused[o]) > 0 {
			t.Run(string(o)+" among good ones", func(t *testing.T) { s.refusedAmongGood(t, o) })
			t.Run(string(o)+" alone", func(t *testing.T) { s.refusedAlone(t, o) })
		}
	}
	t.Run("unknown field", s.unknownField)
}

// refusedAmongGood allows a CRM to refuse the whole batch, for the caller to
// halve.
func (s *suite) refusedAmongGood(t *testing.T, o crm.Object) {
	a := s.Open(t, false)
	records := s.records(o, min(7, a.Client().Properties().MaxBatch))
	bad := len(records) / 2
	maps.Copy(records[bad].Fields, s.Refused[o])
	results, err := a.Client().Upsert(t.Context(), o, records)
	if err != nil {
		s.expect(t, err, crm.Invalid)
		return
	}
	found := byKey(t, a, o)
	for i, r := range records {
		if i == bad {
			s.expect(t, results[i].Err, crm.Invalid)
			continue
		}
		if results[i].Err != nil || results[i].RemoteID != found[r.Key].RemoteID || results[i].RemoteID == "" {
			t.Errorf("good record %d: %v, id %q, want %q", i, results[i].Err, results[i].RemoteID, found[r.Key].RemoteID)
		}
	}
	if _, ok := found[records[bad].Key]; ok {
		t.Error("the refused record exists")
	}
}

func (s *suite) refusedAlone(t *testing.T, o crm.Object) {
	a := s.Open(t, false)
	records := s.records(o, 1)
	maps.Copy(records[0].Fields, s.Refused[o])
	e := s.expect(t, s.refusal(t, a, o, records), crm.Invalid)
	if e.Message == "" && e.Code == "" {
		t.Error("the error does not say why")
	}
	if got := a.Writes(); got != 0 {
		t.Errorf("%d writes, want none", got)
	}
}

func (s *suite) unknownField(t *testing.T) {
	a := s.Open(t, false)
	records := s.records(crm.Contact, 1)
	records[0].Fields["no_such_field"] = "x"
	e := s.expect(t, s.refusal(t, a, crm.Contact, records), crm.Misconfigured)
	if e.Field != "no_such_field" {
		t.Errorf("the error names field %q", e.Field)
	}
}

// refusal upserts one record and returns why it was refused, by itself or with
// its batch.
func (s *suite) refusal(t *testing.T, a Account, o crm.Object, records []crm.Record) error {
	t.Helper()
	results, err := a.Client().Upsert(t.Context(), o, records)
	if err != nil {
		return err
	}
	if len(results) != 1 {
		t.Fatalf("got %d results for one record", len(results))
	}
	return results[0].Err
}
