package connector

import (
	"context"
	"slices"
	"strings"

	"crmsync/crm"
	"crmsync/state"
)

// Link implements crm.Linker. A side that somebody removed from the CRM is told as
// the CRM would.
func (p *rehearsal) Link(ctx context.Context, links []crm.Link) ([]error, error) {
	p.requests++
	if err := p.look(ctx, links); err != nil {
		return nil, err
	}
	errs := make([]error, len(links))
	for i, l := range links {
		if side := p.missing(l); side != nil {
			errs[i] = &crm.Error{Kind: crm.NotFound, Missing: side, Message: "the record is gone"}
			continue
		}
		action := LinkMake
		if l.Remove {
			action = LinkRemove
		}
		p.of(state.Lane{Object: string(l.From.Object), Key: l.From.Key}).link([]crm.Ref{l.To}, action)
	}
	return errs, nil
}

// look finds out whether the sides of links exist that nothing was written to in
// this rehearsal.
func (p *rehearsal) look(ctx context.Context, links []crm.Link) error {
	comparer, ok := p.Client.(crm.Comparer)
	if !ok {
		return nil
	}
	unknown := map[crm.Object][]crm.Record{}
	for _, l := range links {
		for _, side := range []crm.Ref{l.To, l.From} {
			lane := laneOfRef(side)
			_, known := p.exists[lane]
			if known || strings.HasPrefix(side.RemoteID, pretended) || p.records[lane] != nil && p.records[lane].id != "" {
				continue
			}
			p.exists[lane] = true
			rec := crm.Record{Object: side.Object, Key: side.Key, RemoteID: side.RemoteID, Adopted: true} // found by id as well
			unknown[side.Object] = append(unknown[side.Object], rec)
		}
	}
	for object, records := range unknown {
		for part := range slices.Chunk(records, max(p.Client.Properties().MaxBatch, 1)) {
			current, err := comparer.Compare(ctx, object, part, nil)
			if err != nil {
				return err
			}
			for i, now := range current {
				p.exists[laneOfRecord(part[i])] = now.RemoteID == part[i].RemoteID
			}
		}
	}
	return nil
}

// gone returns the side of a waiting link that somebody removed from the CRM, nil
// when both are there.
func (p *rehearsal) gone(ctx context.Context, record, target state.Link, remove bool) (*state.Lane, error) {
	ref := func(l state.Link) crm.Ref {
		return crm.Ref{Object: crm.Object(l.Object), Key: l.Key, RemoteID: l.RemoteID}
	}
	l := crm.Link{From: ref(record), To: ref(target), Remove: remove}
	if err := p.look(ctx, []crm.Link{l}); err != nil {
		return nil, err
	}
	side := p.missing(l)
	if side == nil {
		return nil, nil
	}
	lane := laneOfRef(*side)
	return &lane, nil
}

// missing returns the side of a link that is gone, nil when both are there.
func (p *rehearsal) missing(l crm.Link) *crm.Ref {
	for _, side := range []crm.Ref{l.To, l.From} {
		if exists, looked := p.exists[laneOfRef(side)]; looked && !exists {
			return &side
		}
	}
	return nil
}

func laneOfRef(ref crm.Ref) state.Lane { return state.Lane{Object: string(ref.Object), Key: ref.Key} }
