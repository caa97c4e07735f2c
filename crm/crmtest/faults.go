package crmtest

import (
	"context"
	"testing"

	"crmsync/crm"
)

// often is more than an adapter repeats a request by itself.
const often = 4

func (s *suite) faults(t *testing.T) {
	tests := map[string]func(*testing.T){"hang ends with the context": s.hang}
	for name, f := range map[string]Fault{
		"connection cut before the write": CutBefore,
		"connection cut after the write":  CutAfter,
		"answer cut short":                CutBody,
		"success that did nothing":        Silent,
		"outage":                          Outage,
	} {
		tests[name] = func(t *testing.T) { s.fault(t, f, 1) }
		tests[name+", again and again"] = func(t *testing.T) { s.fault(t, f, often) }
	}
	together(t, tests)
}

// fault breaks a create and repeats it until it is done: whatever was claimed
// on the way has to be true, and there is one record of each in the end.
func (s *suite) fault(t *testing.T, f Fault, times int) {
	a := s.Open(t, false)
	records := s.records(crm.Activity, 2)
	hit := a.Break(f, times)
	defer func() {
		select {
		case <-hit:
		default:
			t.Error("the fault was never hit")
		}
	}()
	for range 1 + often {
		results, err := a.Client().Upsert(t.Context(), crm.Activity, records)
		for i := range records {
			// What the caller remembers for adapters that cannot repeat blindly.
			records[i].InDoubt = !a.Client().Properties().NativeUpsert
		}
		if err != nil {
			s.expect(t, err, crm.Unavailable)
			continue
		}
		if s.settled(t, a, records, results) {
			if got := len(a.Records(crm.Activity)); got != len(records) {
				t.Fatalf("got %d records, want %d", got, len(records))
			}
			return
		}
	}
	t.Fatal("the record was never written")
}

// settled says whether all records were written, and fails when one is claimed
// to be that is not.
func (s *suite) settled(t *testing.T, a Account, records []crm.Record, results []crm.Result) bool {
	t.Helper()
	if len(results) != len(records) {
		t.Fatalf("got %d results for %d records", len(results), len(records))
	}
	found := byKey(t, a, crm.Activity)
	all := true
	for i, r := range results {
		switch {
		case r.Err != nil:
			s.expect(t, r.Err, crm.Unavailable)
			all = false
		case r.RemoteID == "" || r.RemoteID != found[records[i].Key].RemoteID:
			t.Fatalf("record %d is said to be %q, it is %q", i, r.RemoteID, found[records[i].Key].RemoteID)
		}
	}
	return all
}

func (s *suite) hang(t *testing.T) {
	a := s.Open(t, false)
	begun := a.Break(Hang, often)
	err := promptly(t, begun, func(ctx context.Context) error {
		_, err := a.Client().Upsert(ctx, crm.Company, s.records(crm.Company, 1))
		return err
	})
	e := s.expect(t, err, crm.Unavailable)
	if !isCancelled(e) {
		t.Errorf("the error does not say that the call was cancelled: %v", e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = a.Client().Upsert(ctx, crm.Company, s.records(crm.Company, 1))
	if e := s.expect(t, err, crm.Unavailable); !isCancelled(e) {
		t.Errorf("called with a cancelled context: %v", e)
	}
}
