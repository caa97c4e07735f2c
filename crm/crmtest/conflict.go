package crmtest

import (
	"fmt"
	"testing"

	"crmsync/crm"
)

// conflicts is for CRMs that keep e-mail addresses unique.
func (s *suite) conflicts(t *testing.T) {
	if s.Email == "" {
		return
	}
	t.Run("adopts a person's record", s.adopts)
	t.Run("adopts by id", s.adoptsByID)
	t.Run("adopts several in one batch", s.adoptsSeveral)
	t.Run("a record of ours whose key was cleared is still ours", s.keyCleared)
	t.Run("names the record of ours", s.namesHolder)
	t.Run("an address given up is free", s.givesUp)
	t.Run("of two that want an address given up one gets it", s.oneGetsIt)
	t.Run("adopted names stay", s.adoptedNames)
}

const address = "jonas.weber@brightsales.example"

// contact returns a contact with the address.
func (s *suite) contact(key string) crm.Record {
	fields := s.Sample(crm.Contact, 0)
	fields[s.Email] = address
	fields[s.FirstName] = "Jonas"
	return crm.Record{Object: crm.Contact, Key: key, Fields: fields}
}

func (s *suite) adopts(t *testing.T) {
	a := s.Open(t, false)
	foreign := a.Add(crm.Contact, crm.Fields{s.Email: address, s.FirstName: "Joni"})
	record := s.contact("user-1")
	e := s.expect(t, s.refusal(t, a, crm.Contact, []crm.Record{record}), crm.Conflict)
	if e.Code != crm.CodeAdoptable || e.Field != s.Email || e.Holder == nil || e.Holder.RemoteID != foreign || e.Holder.Key != "" {
		t.Fatalf("got %+v of %+v, want to be told that %s can be adopted", e, e.Holder, foreign)
	}
	if got := byKey(t, a, crm.Contact); len(got) != 0 {
		t.Fatalf("adopted without being told to: %v", got)
	}
	record.Adopted = true
	results := s.write(t, a, crm.Contact, []crm.Record{record})
	if results[0].Action != crm.Adopted || results[0].RemoteID != foreign {
		t.Fatalf("got %s of %s, want adopted of %s", results[0].Action, results[0].RemoteID, foreign)
	}
	got := byKey(t, a, crm.Contact)["user-1"]
	if got.RemoteID != foreign || len(a.Records(crm.Contact)) != 1 {
		t.Fatalf("our key is on %q among %d records", got.RemoteID, len(a.Records(crm.Contact)))
	}
	if got.Fields[s.FirstName] != "Joni" {
		t.Errorf("the person's own %s became %q", s.FirstName, got.Fields[s.FirstName])
	}
	text := s.Text[crm.Contact]
	if want, _ := record.Fields[text].(string); got.Fields[text] != want {
		t.Errorf("got %s %q, want ours, %q", text, got.Fields[text], want)
	}
}

// adoptsByID has a record to adopt whose address is not to be written.
func (s *suite) adoptsByID(t *testing.T) {
	a := s.Open(t, false)
	record := s.contact("user-1")
	delete(record.Fields, s.Email)
	record.Adopted, record.RemoteID = true, a.Add(crm.Contact, crm.Fields{s.Email: "other@brightsales.example", s.FirstName: "Joni"})
	if p, ok := a.Client().(crm.Previewer); ok {
		told, err := p.Preview(t.Context(), crm.Contact, []crm.Record{record})
		if err != nil || len(told) != 1 || told[0].Err != nil || told[0].Action != crm.Adopted || told[0].RemoteID != record.RemoteID {
			t.Errorf("the preview is %+v, %v", told, err)
		}
	}
	results := s.write(t, a, crm.Contact, []crm.Record{record})
	got := byKey(t, a, crm.Contact)["user-1"]
	if results[0].Action != crm.Adopted || got.RemoteID != record.RemoteID || len(a.Records(crm.Contact)) != 1 || got.Fields[s.FirstName] != "Joni" {
		t.Errorf("got %+v, and %v of %d records", results[0], got, len(a.Records(crm.Contact)))
	}
}

func (s *suite) adoptsSeveral(t *testing.T) {
	a := s.Open(t, false)
	records := s.records(crm.Contact, min(5, a.Client().Properties().MaxBatch))
	foreign := map[string]string{} // key to remote id
	for i, r := range records {
		if i%2 == 1 {
			foreign[r.Key] = a.Add(crm.Contact, crm.Fields{s.Email: r.Fields[s.Email]})
			records[i].Adopted = true
		}
	}
	results := s.write(t, a, crm.Contact, records)
	for i, r := range records {
		want := foreign[r.Key]
		if adopted := results[i].Action == crm.Adopted; adopted != (want != "") || adopted && results[i].RemoteID != want {
			t.Errorf("record %d: got %s of %s, foreign is %q", i, results[i].Action, results[i].RemoteID, want)
		}
	}
	if got := len(a.Records(crm.Contact)); got != len(records) {
		t.Errorf("got %d records, want %d", got, len(records))
	}
}

// keyCleared has a record that is remembered and does not carry our key any more.
func (s *suite) keyCleared(t *testing.T) {
	a := s.Open(t, false)
	record := s.contact("user-1")
	record.RemoteID = a.Add(crm.Contact, crm.Fields{s.Email: address, s.FirstName: "Joni"})
	if p, ok := a.Client().(crm.Previewer); ok {
		told, err := p.Preview(t.Context(), crm.Contact, []crm.Record{record})
		if err != nil || len(told) != 1 || told[0].Err != nil || told[0].Action != crm.Updated || told[0].RemoteID != record.RemoteID {
			t.Errorf("the preview is %+v, %v", told, err)
		}
	}
	results := s.write(t, a, crm.Contact, []crm.Record{record})
	got := byKey(t, a, crm.Contact)["user-1"]
	if results[0].RemoteID != record.RemoteID || got.RemoteID != record.RemoteID || len(a.Records(crm.Contact)) != 1 {
		t.Errorf("got %+v, and %v of %d records", results[0], got, len(a.Records(crm.Contact)))
	}
	if got.Fields[s.FirstName] != "Jonas" {
		t.Errorf("%s is %q", s.FirstName, got.Fields[s.FirstName])
	}
}

func (s *suite) namesHolder(t *testing.T) {
	a := s.Open(t, false)
	holder := s.write(t, a, crm.Contact, []crm.Record{s.contact("user-1")})[0].RemoteID
	e := s.expect(t, s.refusal(t, a, crm.Contact, []crm.Record{s.contact("user-2")}), crm.Conflict)
	if e.Field != s.Email {
		t.Errorf("the error names field %q, want %q", e.Field, s.Email)
	}
	if e.Holder == nil || e.Holder.Key != "user-1" || e.Holder.RemoteID != holder {
		t.Errorf("the error names the holder %+v, want user-1 on %s", e.Holder, holder)
	}
	if got := len(a.Records(crm.Contact)); got != 1 {
		t.Errorf("got %d records, want 1", got)
	}
}

func (s *suite) givesUp(t *testing.T) {
	a := s.Open(t, false)
	old := s.write(t, a, crm.Contact, []crm.Record{s.contact("user-1")})[0].RemoteID
	s.write(t, a, crm.Contact, []crm.Record{{Object: crm.Contact, Key: "user-1", RemoteID: old, Fields: crm.Fields{s.Email: ""}}})
	s.write(t, a, crm.Contact, []crm.Record{s.contact("user-2")})
	found := byKey(t, a, crm.Contact)
	if len(found) != 2 || found["user-1"].RemoteID != old || found["user-1"].Fields[s.Email] != "" || found["user-1"].Fields[s.FirstName] != "Jonas" {
		t.Errorf("got %v, want user-1 on %s as it was, without the address", found, old)
	}
	if got := found["user-2"].Fields[s.Email]; got != address {
		t.Errorf("user-2 has the address %q", got)
	}
}

// oneGetsIt has two records want what a third gives up in the same batch, behind
// them: the one that comes too late is told who has it now.
func (s *suite) oneGetsIt(t *testing.T) {
	a := s.Open(t, false)
	former := s.contact("user-1")
	former.RemoteID = s.write(t, a, crm.Contact, []crm.Record{former})[0].RemoteID
	former.Fields[s.Email] = "former@brightsales.example"
	results, err := a.Client().Upsert(t.Context(), crm.Contact, []crm.Record{s.contact("user-2"), s.contact("user-3"), former})
	if err != nil || len(results) != 3 || results[2].Err != nil {
		t.Fatalf("got %v, %v", results, err)
	}
	winner, loser := 0, 1
	if results[0].Err != nil {
		winner, loser = 1, 0
	}
	if results[winner].Err != nil {
		t.Fatalf("nobody got the address: %v", results[winner].Err)
	}
	e := s.expect(t, results[loser].Err, crm.Conflict)
	if want := fmt.Sprint("user-", winner+2); e.Holder == nil || e.Holder.Key != want || e.Field != s.Email {
		t.Errorf("got %v, holder %v, want %s", e, e.Holder, want)
	}
}

func (s *suite) adoptedNames(t *testing.T) {
	a := s.Open(t, false)
	a.Add(crm.Contact, crm.Fields{s.Email: address, s.FirstName: "Joni"})
	record := s.contact("user-1")
	record.Adopted = true
	record.RemoteID = s.write(t, a, crm.Contact, []crm.Record{record})[0].RemoteID
	record.Fields[s.Text[crm.Contact]] = "changed"
	s.write(t, a, crm.Contact, []crm.Record{record})
	got := byKey(t, a, crm.Contact)["user-1"].Fields
	if got[s.FirstName] != "Joni" || got[s.Text[crm.Contact]] != "changed" {
		t.Errorf("got %s %q and %s %q", s.FirstName, got[s.FirstName], s.Text[crm.Contact], got[s.Text[crm.Contact]])
	}
}
