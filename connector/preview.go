package connector

import (
	"context"
	"errors"
	"slices"
	"strings"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// Preview is what delivering events would do now. It holds values of records.
type Preview struct {
	Events []EventPreview `json:"events"` // in the order given
	// Others are records of earlier events that would change as well: the
	// address of a deleted user moves to somebody else, a link was waiting.
	Others []RecordPreview `json:"others"`
	// Requests is how many the CRM would be sent, retries and the resolution of
	// conflicts apart.
	Requests int `json:"requests"`
}

// EventPreview is how one event would end.
type EventPreview struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Status  state.Status    `json:"status"`
	Reason  string          `json:"reason"`
	Error   string          `json:"error"`
	Records []RecordPreview `json:"records"`
	// Withheld are the fields whose expressions fail. One without a field is a
	// filter, which lets the event pass.
	Withheld []mapping.Withheld `json:"withheld"`
	Warnings []string           `json:"warnings"`
	NoOwner  []string           `json:"no_owner"` // addresses for which owner() finds nobody
}

// RecordPreview is what would happen to one record.
type RecordPreview struct {
	Object       string        `json:"object"`
	Key          string        `json:"key"`
	RemoteID     string        `json:"remote_id"` // "" of a record that would be created
	Action       string        `json:"action"`    // a crm.Action
	Changes      []FieldChange `json:"changes"`   // by field
	Links        []LinkPreview `json:"links"`
	Note         string        `json:"note"`  // such as email_withheld
	Error        string        `json:"error"` // why it would be refused
	SupersededBy string        `json:"superseded_by"`
}

// FieldChange is what would happen to one field.
type FieldChange struct {
	crm.Change        // its FullLength also tells of a value that the mapping cuts
	Owner      string `json:"owner"` // address for which New was looked up; "" of a field without owner()
	// DefaultOwner says that nobody has that address: New is the owner of whoever
	// has none.
	DefaultOwner bool `json:"default_owner"`
	// Kept is the policy by which the CRM's value stays as it is, and New is not
	// written; "" of a field that changes.
	Kept mapping.Policy `json:"kept"`
}

// What happens to a link.
const (
	LinkMake   = "make"
	LinkRemove = "remove"
	LinkWait   = "wait" // until the other record is known
)

// LinkPreview is what would happen to one link of a record.
type LinkPreview struct {
	Object string `json:"object"`
	Key    string `json:"key"`
	Action string `json:"action"`
}

// ErrNoPreview says that the client of this CRM cannot tell what it would do.
var ErrNoPreview = errors.New("this CRM cannot be asked what a write would change")

// PreviewEvents tells what delivering the events together would do, and only
// reads: of o.Store the links. It fails when the CRM does not answer or refuses
// to be read.
func PreviewEvents(ctx context.Context, o DispatcherOptions, events []state.Event) (Preview, error) {
	r, err := newRehearsal(o)
	if err != nil {
		return Preview{}, err
	}
	return r.play(ctx, events)
}

func (r *rehearsals) events(round *round, batch state.Batch) []EventPreview {
	out := make([]EventPreview, len(round.events))
	for i, ev := range round.events {
		s := batch.Settlements[i]
		out[i] = EventPreview{
			ID: ev.ID, Type: ev.Type, Status: s.Status, Reason: s.Reason, Error: s.Error,
			Records: []RecordPreview{}, Warnings: []string{},
			Withheld: orNone(ev.mapped.Withheld), NoOwner: orNone(ev.mapped.OwnerMisses),
		}
		if ev.decoded != nil {
			out[i].Warnings = orNone(slices.Concat(ev.decoded.Warnings, ev.mapped.Warnings))
		}
		if ev.ended != nil {
			continue
		}
		cut := round.mapper.Cut(ev.decoded, r.d.Owners())
		for _, rec := range ev.ordered() {
			p := r.record(round, rec, cut)
			nameOwners(&p, ev.mapped.Lookups)
			if p.Action != rec.Action && s.Status != state.Dead {
				out[i].Status = state.Applied
			}
			out[i].Records = append(out[i].Records, p)
		}
	}
	return out
}

// relinked reports whether links are all that would change.
func (p *RecordPreview) relinked() bool {
	made := func(l LinkPreview) bool { return l.Action != LinkWait }
	return p.Action == string(crm.Unchanged) && slices.ContainsFunc(p.Links, made)
}

func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// record tells of one record of an event what would become of it.
func (r *rehearsals) record(round *round, rec *state.Record, cut map[mapping.Lane]map[string]int) RecordPreview {
	p := RecordPreview{
		Object: rec.Object, Key: rec.Key, RemoteID: shownID(rec.RemoteID), Action: rec.Action,
		Changes: []FieldChange{}, Links: []LinkPreview{},
		Note: rec.Note, Error: rec.Error, SupersededBy: rec.SupersededBy,
	}
	done := r.client.records[rec.Lane()]
	if done == nil || rec.Status != state.Applied && rec.Status != state.Unchanged {
		return p
	}
	done.told = true
	for _, c := range done.changes {
		c.FullLength = max(c.FullLength, cut[mapping.Lane{Object: crm.Object(rec.Object), Key: rec.Key}][c.Field])
		p.Changes = append(p.Changes, FieldChange{Change: c})
	}
	for _, c := range round.kept[rec.Lane()] {
		policy := round.mapper.Policies(crm.Object(rec.Object))[c.Field]
		p.Changes = append(p.Changes, FieldChange{Change: c, Kept: policy})
	}
	slices.SortFunc(p.Changes, func(a, b FieldChange) int { return strings.Compare(a.Field, b.Field) })
	p.Links = append(p.Links, done.links...)
	if done.again && weight(string(done.action)) > weight(p.Action) { // somebody had removed it
		p.Action, p.RemoteID = string(done.action), shownID(done.id)
	}
	if p.relinked() {
		p.Action = string(crm.Updated)
	}
	for _, w := range round.batch.Waiting {
		if w.Kind == state.WaitLink && w.Record == rec.Lane() {
			p.Links = append(p.Links, LinkPreview{Object: w.Target.Object, Key: w.Target.Key, Action: LinkWait})
		}
	}
	return p
}

// nameOwners tells for which address the owners of a record were looked up.
func nameOwners(p *RecordPreview, lookups []mapping.Lookup) {
	for i := range p.Changes {
		c := &p.Changes[i]
		for _, l := range lookups {
			here := string(l.Object) == p.Object && l.Key == p.Key && l.Field == c.Field
			if here && l.ID != "" && l.ID == c.New {
				c.Owner, c.DefaultOwner = l.Email, l.Default
			}
		}
	}
}

// others are the records that would change though no event that was asked about
// is applied to them. Those have to be told first.
func (r *rehearsals) others() []RecordPreview {
	out := []RecordPreview{}
	for _, lane := range r.client.order {
		done := r.client.records[lane]
		if done.told || len(done.changes)+len(done.links) == 0 {
			continue
		}
		p := RecordPreview{
			Object: lane.Object, Key: lane.Key, RemoteID: shownID(done.id), Action: string(done.action),
			Changes: []FieldChange{}, Links: append([]LinkPreview{}, done.links...),
		}
		if p.relinked() {
			p.Action = string(crm.Updated)
		}
		if done.again {
			p.Note = "the value that it waits for is given up"
			if done.action == crm.Created {
				p.Note = "somebody removed it, and what links to it needs it"
			}
		}
		for _, c := range done.changes {
			p.Changes = append(p.Changes, FieldChange{Change: c})
		}
		out = append(out, p)
	}
	return out
}

// shownID hides the ids of records that do not exist.
func shownID(id string) string {
	if strings.HasPrefix(id, pretended) {
		return ""
	}
	return id
}
