package crmtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crmsync/crm"
)

// Options say how the suite reaches an adapter and what its CRM calls things.
type Options struct {
	// Open returns a new account of a fake CRM. With bare it is as a new
	// customer has it, otherwise it has been provisioned.
	Open func(t *testing.T, bare bool) Account
	// Dial returns a client for any server.
	Dial func(t *testing.T, baseURL string) crm.Client
	// Secret is the credential of all these clients.
	Secret string
	// Sample returns valid fields of the nth record of an object, Text among
	// them. Those of different n share no value that the CRM keeps unique.
	Sample func(o crm.Object, n int) crm.Fields
	// Text names a free text field of each object that is never required.
	Text map[crm.Object]string
	// Refused holds, by object, fields whose values the CRM refuses.
	Refused map[crm.Object]crm.Fields
	// Email and FirstName name fields of contacts. An empty Email says that the
	// CRM does not keep addresses unique.
	Email, FirstName string
	// Kinds are the kinds of statuses that mean something else here than in
	// KindOf, for answers whose body says nothing.
	Kinds map[int]crm.Kind
}

// Account is one account of a fake CRM.
type Account interface {
	Client() crm.Client
	// Records returns what exists and is not archived, oldest first.
	Records(o crm.Object) []Record
	// Links returns the pairs of remote ids that are linked, sorted.
	Links(from, to crm.Object) [][2]string
	// Writes counts the changes that took effect, to records, links and schema.
	Writes() int
	// Add creates a record as a person does; Delete removes one.
	Add(o crm.Object, fields crm.Fields) (remoteID string)
	Delete(o crm.Object, remoteID string)
	// Break makes the next times requests that write records go wrong. hit is
	// closed by the first of them.
	Break(f Fault, times int) (hit <-chan struct{})
	// Revoke makes the credentials invalid until Restore.
	Revoke()
	Restore()
	// Owners are the people who can own records.
	Owners() []crm.Owner
}

// Record is a record as it is in the CRM, with fields as the CRM writes them.
type Record struct {
	RemoteID string
	Key      string // "" when it is not ours
	Fields   map[string]string
}

// Fault is something that goes wrong with a request.
type Fault int

// The faults.
const (
	CutBefore Fault = iota // the connection breaks before the request has an effect
	CutAfter               // it breaks when the effect is there and the answer is not
	CutBody                // it breaks in the middle of the answer
	Hang                   // there is no answer
	Silent                 // success is reported, nothing was done
	Outage                 // a 5xx
)

// Run is the suite.
func Run(t *testing.T, opts Options) {
	s := &suite{opts}
	together(t, map[string]func(*testing.T){
		"Basics":    s.basics,
		"Upsert":    s.upsert,
		"Refusals":  s.refusals,
		"Conflicts": s.conflicts,
		"Faults":    s.faults,
		"Preview":   s.preview,
		"Compare":   s.compare,
		"Render":    s.render,
		"Links":     s.links,
		"Archive":   s.archive,
		"Schema":    s.schema,
		"Statuses":  s.statuses,
		"Network":   s.network,
	})
}

// together runs subtests side by side. Most of their time they wait for pauses
// between repetitions, so more of them fit than there are processors.
func together(t *testing.T, tests map[string]func(*testing.T)) {
	var wg sync.WaitGroup
	for name, test := range tests {
		wg.Go(func() { t.Run(name, test) })
	}
	wg.Wait()
}

type suite struct{ Options }

// patience is how long a call may take that ought to return at once, on a
// machine that is busy with other tests.
const patience = 20 * time.Second

func (s *suite) basics(t *testing.T) {
	a := s.Open(t, false)
	client := a.Client()
	p := client.Properties()
	if p.Name == "" || p.IDField == "" || p.MaxBatch < 1 {
		t.Errorf("got properties %+v, want a name, an id field and a batch size", p)
	}
	if _, ok := client.(crm.Linker); ok && p.MaxLinks < 1 {
		t.Errorf("got MaxLinks %d of a Linker", p.MaxLinks)
	}
	first, err := client.Account(t.Context())
	again, err2 := client.Account(t.Context())
	if err != nil || err2 != nil || first == "" || first != again {
		t.Errorf("got accounts %q (%v) and %q (%v), want one name", first, err, again, err2)
	}
	if err := client.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if a.Writes() != 0 {
		t.Errorf("%d writes, want none", a.Writes())
	}
	t.Run("credentials refused", func(t *testing.T) { s.credentials(t, a) })
}

func (s *suite) credentials(t *testing.T, a Account) {
	a.Revoke()
	s.expect(t, a.Client().Ping(t.Context()), crm.Unauthorized)
	_, err := a.Client().Upsert(t.Context(), crm.Company, s.records(crm.Company, 1))
	s.expect(t, err, crm.Unauthorized)
	a.Restore()
	s.write(t, a, crm.Company, s.records(crm.Company, 1))
}

// records returns n records with the keys k0, k1 and so on.
func (s *suite) records(o crm.Object, n int) []crm.Record {
	records := make([]crm.Record, n)
	for i := range records {
		records[i] = crm.Record{Object: o, Key: fmt.Sprintf("%s-key-%d", o, i), Fields: s.Sample(o, i), OccurredAt: time.Unix(0, 0)}
	}
	return records
}

// write upserts records that nothing is wrong with.
func (s *suite) write(t *testing.T, a Account, o crm.Object, records []crm.Record) []crm.Result {
	t.Helper()
	results, err := a.Client().Upsert(t.Context(), o, records)
	if err != nil {
		t.Fatalf("upsert %s: %v", o, err)
	}
	if len(results) != len(records) {
		t.Fatalf("upsert %s: got %d results for %d records", o, len(results), len(records))
	}
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("upsert %s: record %d: %v", o, i, r.Err)
		}
		if r.RemoteID == "" {
			t.Fatalf("upsert %s: record %d has no remote id", o, i)
		}
	}
	return results
}

// byKey returns our records of an object.
func byKey(t *testing.T, a Account, o crm.Object) map[string]Record {
	t.Helper()
	found := map[string]Record{}
	for _, r := range a.Records(o) {
		if r.Key == "" {
			continue
		}
		if _, twice := found[r.Key]; twice {
			t.Fatalf("two %s records have the key %s", o, r.Key)
		}
		found[r.Key] = r
	}
	return found
}

// expect fails unless err is a *crm.Error of one of the kinds that is fit to be
// shown. It returns the error.
func (s *suite) expect(t *testing.T, err error, kinds ...crm.Kind) *crm.Error {
	t.Helper()
	e := s.fit(t, err)
	if !slices.Contains(kinds, e.Kind) {
		t.Errorf("got kind %s, want %v: %v", e.Kind, kinds, e)
	}
	return e
}

// fit fails unless err is a *crm.Error that names no secret and no address.
func (s *suite) fit(t *testing.T, err error) *crm.Error {
	t.Helper()
	e, fault := s.inspect(err)
	if fault != nil {
		t.Fatal(fault)
	}
	return e
}

// inspect says what is wrong with an error, whatever it is about. Unlike fit it
// may be used in other goroutines than the test's.
func (s *suite) inspect(err error) (*crm.Error, error) {
	if err == nil {
		return nil, errors.New("taken for a success")
	}
	e, ok := err.(*crm.Error) //nolint:errorlint // adapters return nothing else, not even around it
	if !ok {
		return nil, fmt.Errorf("got a %T, want a *crm.Error", err)
	}
	text := fmt.Sprintf("%v %+v", e, *e)
	switch {
	case strings.Contains(text, s.Secret):
		return nil, errors.New("the error names the secret")
	case strings.Contains(text, "@"):
		return nil, errors.New("the error names an e-mail address")
	}
	return e, nil
}

// promptly runs call, cancels its context once begun is closed and fails unless
// it then returns.
func promptly(t *testing.T, begun <-chan struct{}, call func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- call(ctx) }()
	select {
	case <-begun:
	case <-time.After(patience):
		t.Fatal("no request was sent")
	}
	cancel()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("a cancelled call did not return")
		return nil
	}
}

// isCancelled says whether the cause of e is a cancelled context.
func isCancelled(e *crm.Error) bool { return errors.Is(e, context.Canceled) }
