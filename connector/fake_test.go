package connector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"crmsync/crm"
)

// fakeCRM is a strict CRM in memory: it refuses what a connector must never
// send, and lets a test decide about every request.
type fakeCRM struct {
	t  testing.TB
	mu sync.Mutex

	nextID  int
	records map[string]*fakeRecord // by remote id
	keys    map[string]*fakeRecord // by object and key
	emails  map[string]*fakeRecord // who had an address last
	links   map[[2]string]bool

	noUpsert bool // NativeUpsert is false
	maxBatch int
	owners   []crm.Owner
	schema   map[crm.Object][]string // an object that is not named has every field
	numbers  []string                // fields that take numbers
	choices  []string                // fields that take what is in a list, which is not known

	// before is asked ahead of every request; an error refuses it whole. The
	// request takes effect all the same when the error is errTookEffect.
	before func(op string, keys []string) error
	// judge is asked about every record.
	judge func(r crm.Record) *crm.Error

	requests []string
	batches  map[string][]int
}

type fakeRecord struct {
	id     string
	object crm.Object
	key    string // "" when it is not ours
	fields crm.Fields
}

// tookEffect wraps an error of a request whose answer was lost.
type tookEffect struct{ error }

func newFakeCRM(t testing.TB) *fakeCRM {
	return &fakeCRM{
		t: t, maxBatch: 100, records: map[string]*fakeRecord{}, keys: map[string]*fakeRecord{}, emails: map[string]*fakeRecord{}, links: map[[2]string]bool{},
		batches: map[string][]int{},
		owners:  []crm.Owner{{ID: "own-1", Email: "Jonas@Sales.example", Active: true}},
	}
}

func (f *fakeCRM) Properties() crm.Properties {
	return crm.Properties{Name: "fake", MaxBatch: f.maxBatch, MaxLinks: 1000, NativeUpsert: !f.noUpsert, IDField: "id"}
}

func (f *fakeCRM) Account(context.Context) (string, error) { return "fake.example", nil }

func (f *fakeCRM) Ping(context.Context) error {
	_, err := f.enter("ping", nil)
	return err
}

// enter records a request and asks before about it.
func (f *fakeCRM) enter(op string, keys []string) (lost error, err error) {
	f.mu.Lock()
	f.requests = append(f.requests, op)
	f.batches[op] = append(f.batches[op], len(keys))
	before := f.before
	f.mu.Unlock()
	if before == nil {
		return nil, nil
	}
	err = before(op, keys)
	if took, ok := errors.AsType[tookEffect](err); ok {
		return took.error, nil
	}
	return nil, err
}

func (f *fakeCRM) Upsert(ctx context.Context, object crm.Object, records []crm.Record) ([]crm.Result, error) {
	if len(records) == 0 || len(records) > f.maxBatch {
		f.t.Errorf("upsert of %d records", len(records))
	}
	var keys []string
	for _, r := range records {
		if slices.Contains(keys, r.Key) {
			f.t.Errorf("key %s twice in one upsert", r.Key)
		}
		keys = append(keys, r.Key)
	}
	lost, err := f.enter("upsert "+string(object), keys)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, &crm.Error{Err: err}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	results := make([]crm.Result, len(records))
	for i, r := range records {
		results[i] = f.upsert(object, r)
	}
	if lost != nil {
		return nil, lost
	}
	return results, nil
}

func (f *fakeCRM) upsert(object crm.Object, r crm.Record) crm.Result {
	for name, v := range r.Fields {
		if v == nil {
			f.t.Errorf("%s %s: field %s is nil", object, r.Key, name)
		}
	}
	if f.judge != nil {
		if e := f.judge(r); e != nil {
			return crm.Result{Err: e}
		}
	}
	rec, action := f.find(object, r.Key), crm.Updated
	email, _ := r.Fields["email"].(string)
	if holder := f.byEmail(email, rec); holder != nil {
		if holder.key != "" {
			return crm.Result{Err: &crm.Error{
				Kind: crm.Conflict, Field: "email",
				Holder: &crm.Ref{Object: object, Key: holder.key, RemoteID: holder.id},
			}}
		}
		if rec != nil { // our key stands on another record
			return crm.Result{Err: &crm.Error{Kind: crm.Conflict, Field: "email", Holder: &crm.Ref{Object: object, RemoteID: holder.id}}}
		}
		if !r.Adopted {
			return crm.Result{Err: &crm.Error{
				Kind: crm.Conflict, Code: crm.CodeAdoptable, Field: "email", Holder: &crm.Ref{Object: object, RemoteID: holder.id},
			}}
		}
		rec, action = holder, crm.Adopted
		rec.key = r.Key
	}
	if rec == nil {
		f.nextID++
		rec = &fakeRecord{id: fmt.Sprintf("r%d", f.nextID), object: object, key: r.Key, fields: crm.Fields{}}
		f.records[rec.id] = rec
		action = crm.Created
	}
	f.keys[string(object)+" "+r.Key] = rec
	maps.Copy(rec.fields, r.Fields)
	maps.DeleteFunc(rec.fields, func(_ string, v any) bool { return v == "" }) // cleared
	if email != "" {
		f.emails[email] = rec
	}
	return crm.Result{RemoteID: rec.id, Action: action, RequestID: "req"}
}

func (f *fakeCRM) Compare(_ context.Context, object crm.Object, records []crm.Record, fields []string) ([]crm.Current, error) {
	var keys []string
	for _, r := range records {
		keys = append(keys, r.Key)
	}
	if _, err := f.enter("compare "+string(object), keys); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]crm.Current, len(records))
	for i, r := range records {
		rec := f.find(object, r.Key)
		if rec == nil && r.Adopted {
			rec = f.records[r.RemoteID]
		}
		all[i].Fields = map[string]crm.Comparison{}
		if rec != nil {
			all[i].RemoteID = rec.id
		}
		for _, name := range fields {
			if v, ok := r.Fields[name]; ok {
				now, value := "", fmt.Sprint(v)
				if rec != nil && rec.fields[name] != nil {
					now = fmt.Sprint(rec.fields[name])
				}
				all[i].Fields[name] = crm.Comparison{Change: crm.Change{Field: name, Old: now, New: value}, OldForm: now, NewForm: value}
			}
		}
	}
	return all, nil
}

func (f *fakeCRM) find(object crm.Object, key string) *fakeRecord {
	if rec := f.keys[string(object)+" "+key]; rec != nil && f.records[rec.id] == rec && rec.key == key {
		return rec
	}
	return nil
}

func (f *fakeCRM) byEmail(email string, not *fakeRecord) *fakeRecord {
	if rec := f.emails[email]; email != "" && rec != nil && rec != not && f.records[rec.id] == rec && rec.fields["email"] == email {
		return rec
	}
	return nil
}

func (f *fakeCRM) Link(_ context.Context, links []crm.Link) ([]error, error) {
	var keys []string
	for _, l := range links {
		keys = append(keys, l.From.Key)
	}
	lost, err := f.enter(fmt.Sprintf("link %s %s", links[0].From.Object, links[0].To.Object), keys)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := make([]error, len(links))
	for i, l := range links {
		errs[i] = f.link(l)
	}
	if lost != nil {
		return nil, lost
	}
	return errs, nil
}

func (f *fakeCRM) link(l crm.Link) error {
	for _, side := range []crm.Ref{l.From, l.To} {
		if side.RemoteID == "" {
			f.t.Errorf("link of %v without a remote id", side)
		}
		if f.records[side.RemoteID] == nil {
			return &crm.Error{Kind: crm.NotFound, Missing: &side}
		}
	}
	pair := [2]string{l.From.RemoteID, l.To.RemoteID}
	if l.Remove {
		delete(f.links, pair)
	} else {
		f.links[pair] = true
	}
	return nil
}

func (f *fakeCRM) Archive(_ context.Context, object crm.Object, refs []crm.Ref) ([]error, error) {
	var keys []string
	for _, r := range refs {
		keys = append(keys, r.Key)
	}
	lost, err := f.enter("archive "+string(object), keys)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range refs {
		f.remove(r.RemoteID)
	}
	return make([]error, len(refs)), lost
}

// remove deletes a record and its links, as a person would.
func (f *fakeCRM) remove(id string) {
	delete(f.records, id)
	for pair := range f.links {
		if pair[0] == id || pair[1] == id {
			delete(f.links, pair)
		}
	}
}

func (f *fakeCRM) Owners(context.Context) ([]crm.Owner, error) {
	if _, err := f.enter("owners", nil); err != nil {
		return nil, err
	}
	return f.owners, nil
}

func (f *fakeCRM) Describe(_ context.Context, object crm.Object) (crm.Schema, error) {
	if _, err := f.enter("describe "+string(object), nil); err != nil {
		return crm.Schema{}, err
	}
	s := crm.Schema{Object: object, Name: string(object), Fields: map[string]crm.Field{}}
	f.mu.Lock()
	defer f.mu.Unlock()
	names, named := f.schema[object]
	if !named {
		names = []string{"id", "email", "name", "role", "deleted", "title", "at", "owner"}
	}
	for _, name := range names {
		s.Fields[name] = crm.Field{Name: name, Type: "text", Kind: crm.FieldText, Unique: name == "id"}
		switch {
		case slices.Contains(f.numbers, name):
			s.Fields[name] = crm.Field{Name: name, Type: "number", Kind: crm.FieldNumber}
		case slices.Contains(f.choices, name):
			s.Fields[name] = crm.Field{Name: name, Type: "list", Kind: crm.FieldEnum}
		}
	}
	return s, nil
}

// add puts a record there that is not ours.
func (f *fakeCRM) add(object crm.Object, fields crm.Fields) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextID++
	id := fmt.Sprintf("r%d", f.nextID)
	f.records[id] = &fakeRecord{id: id, object: object, fields: fields}
	if email, ok := fields["email"].(string); ok {
		f.emails[email] = f.records[id]
	}
	return id
}

// dump describes the CRM by our keys: one line a record or link, sorted.
func (f *fakeCRM) dump() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	name := func(id string) string { return string(f.records[id].object) + " " + f.records[id].key }
	for id, rec := range f.records {
		out = append(out, fmt.Sprintf("%s %v", name(id), rec.fields))
	}
	for pair := range f.links {
		out = append(out, fmt.Sprintf("%s -> %s", name(pair[0]), name(pair[1])))
	}
	slices.Sort(out)
	return out
}

// get returns a record by our key, nil when there is none.
func (f *fakeCRM) get(object crm.Object, key string) *fakeRecord {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.find(object, key)
}

// total returns how many requests were made.
func (f *fakeCRM) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// count returns how many requests of one kind were made.
func (f *fakeCRM) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.batches[op])
}
