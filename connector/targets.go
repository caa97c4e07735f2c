package connector

import (
	"context"
	"fmt"
	"slices"

	"crmsync/crm"
	"crmsync/state"
)

// relinkPage is how many links are read at once to find those to a record that
// came back.
const relinkPage = 1000

// aim works out the links of a job: those wanted, and those that the record
// may have from earlier, which is what we remember, whether or not the CRM
// confirmed it.
func (r *round) aim(j *job) {
	for _, t := range j.candidate.rec.Targets {
		key := laneOf(t.Lane)
		if t.OnlyKnown && r.links[key].RemoteID == "" {
			continue
		}
		made := slices.Contains(j.link.Targets, state.Target{Lane: key, Made: true})
		j.targets = append(j.targets, state.Target{Lane: key, Made: made})
	}
	for _, t := range j.link.Targets {
		r.unwant(j, t.Lane)
	}
}

// unwant puts a target on the list of those to remove, unless it is wanted.
func (r *round) unwant(j *job, target state.Lane) {
	is := func(t state.Target) bool { return t.Lane == target }
	if !slices.ContainsFunc(j.targets, is) && !slices.ContainsFunc(j.drops, is) && !r.links[target].Gone {
		j.drops = append(j.drops, state.Target{Lane: target, Drop: true})
	}
}

// remakeLinks forgets that links exist.
func (j *job) remakeLinks() {
	for i := range j.targets {
		j.targets[i].Made = false
	}
}

// missing returns the wanted targets that are known and not linked yet.
func (r *round) missing(j *job) []state.Target {
	return slices.DeleteFunc(r.known(j.targets), func(t state.Target) bool { return t.Made })
}

// known returns the targets whose records are known.
func (r *round) known(targets []state.Target) []state.Target {
	var out []state.Target
	for _, t := range targets {
		if r.links[t.Lane].RemoteID != "" {
			out = append(out, t)
		}
	}
	return out
}

// keepTargets remembers how the links of a job stand. Those of records that are
// not known yet wait, the removals too.
func (r *round) keepTargets(j *job, link *state.Link) {
	link.Targets = slices.Concat(j.targets, j.drops)
	for _, t := range link.Targets {
		if !t.Made && r.links[t.Lane].RemoteID == "" {
			r.batch.Waiting = append(r.batch.Waiting, state.Waiting{Kind: state.WaitLink, Target: t.Lane, Record: j.lane.Lane})
		}
	}
}

// relink lets every link to a record that came back under a new id wait to be
// made again: the CRM has forgotten it with the old record. Nothing tells who
// links to a record, so all are looked through; it happens when a person or we
// had taken the record away.
func (r *round) relink(ctx context.Context) error {
	for page := (state.ObjectFilter{Limit: relinkPage}); len(r.reborn) > 0; {
		links, err := r.store.Objects(ctx, page)
		if err != nil {
			return fmt.Errorf("find links to a record that came back: %w", err)
		}
		for _, link := range links {
			if now, ok := r.links[link.Lane]; ok {
				link = now
			}
			r.unmake(link)
		}
		if len(links) < relinkPage {
			return nil
		}
		page.After = links[len(links)-1].Lane
	}
	return nil
}

// unmake puts a link's targets that came back on the waiting list.
func (r *round) unmake(link state.Link) {
	var changed bool
	targets := slices.Clone(link.Targets)
	for i, t := range targets {
		if t.Made && r.reborn[t.Lane] && !r.joined[[2]state.Lane{link.Lane, t.Lane}] {
			targets[i].Made, changed = false, true
			r.batch.Waiting = append(r.batch.Waiting, state.Waiting{Kind: state.WaitLink, Target: t.Lane, Record: link.Lane})
		}
	}
	if changed {
		link.Targets = targets
		r.remember(link)
	}
}

// refs names targets for the CRM.
func (r *round) refs(targets []state.Target) []crm.Ref {
	var out []crm.Ref
	for _, t := range targets {
		out = append(out, crm.Ref{Object: crm.Object(t.Object), Key: t.Key, RemoteID: r.links[t.Lane].RemoteID})
	}
	return out
}
