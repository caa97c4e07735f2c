package hubspot

import (
	"context"
	"net/http"
	"slices"

	"crmsync/crm"
)

// Link implements crm.Linker with the default association between two objects,
// whose making and removing may be repeated. A request that is refused because
// of some link in it fails as a whole: the caller halves it.
func (c *Client) Link(ctx context.Context, links []crm.Link) ([]error, error) {
	if len(links) == 0 {
		return nil, nil
	}
	l := linker{c: c, from: links[0].From.Object, to: links[0].To.Object, remove: links[0].Remove}
	if err := l.check(links); err != nil {
		return nil, err
	}
	return l.apply(ctx, links)
}

// linker makes or removes links between two objects.
type linker struct {
	c        *Client
	from, to crm.Object
	remove   bool
}

func (l linker) op() string {
	if l.remove {
		return "unlink " + typeName(l.from) + " and " + typeName(l.to)
	}
	return "link " + typeName(l.from) + " and " + typeName(l.to)
}

func (l linker) check(links []crm.Link) error {
	bad := &crm.Error{Kind: crm.Invalid, Op: l.op(), Code: "bad_link"}
	if len(links) > maxLinks {
		bad.Message = "more links than one request may hold"
		return bad
	}
	for _, k := range links {
		if k.From.Object != l.from || k.To.Object != l.to || k.Remove != l.remove {
			bad.Message = "links of several sorts in one call"
			return bad
		}
		if k.From.RemoteID == "" || k.To.RemoteID == "" || typeName(l.from) == "" || typeName(l.to) == "" {
			bad.Message = "a link needs two records that are known"
			return bad
		}
	}
	return nil
}

func (l linker) apply(ctx context.Context, links []crm.Link) ([]error, error) {
	var answer linkAnswer
	r, err := l.c.do(ctx, l.call(links), &answer)
	if err == nil {
		return l.match(r, links, answer)
	}
	if e := crm.AsError(err); len(links) == 1 && aboutRecords(e) {
		return []error{l.linkError(e, r.problem, links[0])}, nil
	}
	return nil, err
}

// call renders one request:
// https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide
func (l linker) call(links []crm.Link) call {
	q := call{op: l.op(), method: http.MethodPost, writes: l.from}
	if !l.remove {
		var body inputs[linkInput]
		for _, k := range links {
			body.Inputs = append(body.Inputs, linkInput{ident{k.From.RemoteID}, ident{k.To.RemoteID}})
		}
		q.path, q.body = l.c.paths.link(l.from, l.to, "associate/default"), body
		return q
	}
	var body inputs[unlinkInput]
	index := map[string]int{}
	for _, k := range links {
		i, known := index[k.From.RemoteID]
		if !known {
			i = len(body.Inputs)
			index[k.From.RemoteID] = i
			body.Inputs = append(body.Inputs, unlinkInput{From: ident{k.From.RemoteID}})
		}
		body.Inputs[i].To = append(body.Inputs[i].To, ident{k.To.RemoteID})
	}
	q.path, q.body = l.c.paths.link(l.from, l.to, "archive"), body
	return q
}

// match answers every link. Errors carry no trace id, only record ids; results
// come in both directions. A removal is answered with nothing at all.
func (l linker) match(r reply, links []crm.Link, answer linkAnswer) ([]error, error) {
	made := map[[2]string]bool{}
	for _, a := range answer.Results {
		from, to := a.ends()
		made[[2]string{from, to}], made[[2]string{to, from}] = true, true
	}
	errs, settled := make([]error, len(links)), make([]bool, len(links))
	for i, k := range links {
		settled[i] = l.remove || made[[2]string{k.From.RemoteID, k.To.RemoteID}]
	}
	for _, p := range answer.Errors {
		for _, i := range about(p, links) {
			if settled[i] && !l.remove {
				continue
			}
			settled[i] = true
			errs[i] = l.linkError(l.c.itemError(l.op(), r, p), p, links[i])
		}
	}
	if slices.Contains(settled, false) {
		return nil, l.unsettled(r, answer)
	}
	return errs, nil
}

// unsettled is the error of an answer that leaves links open. Making them
// again is safe, so nothing needs to be known about which.
func (l linker) unsettled(r reply, answer linkAnswer) error {
	if len(answer.Errors) > 0 {
		e := l.c.itemError(l.op(), r, answer.Errors[0])
		e.Kind = crm.Unavailable
		return e
	}
	return &crm.Error{
		Kind: crm.Unavailable, Op: l.op(), Status: r.status, Code: crm.CodeSilentNoop, RequestID: r.requestID,
		Message: "HubSpot reported success and left links out",
	}
}

func (a association) ends() (from, to string) {
	if a.From.ID != "" {
		return string(a.From.ID), string(a.To.ID)
	}
	return string(a.FromObjectID), string(a.ToObjectID)
}

func recordIDs(p problem) []string {
	ids := p.Context.any("id", "ids", "fromObjectId", "toObjectId", "objectId", "objectIds")
	for _, detail := range p.Errors {
		ids = append(ids, recordIDs(detail)...)
	}
	return ids
}

// about returns the links that an error speaks of: those with both ends named,
// else those with one. A single link needs no name.
func about(p problem, links []crm.Link) []int {
	if len(links) == 1 {
		return []int{0}
	}
	ids := recordIDs(p)
	var both, one []int
	for i, k := range links {
		from, to := slices.Contains(ids, k.From.RemoteID), slices.Contains(ids, k.To.RemoteID)
		switch {
		case from && to:
			both = append(both, i)
		case from || to:
			one = append(one, i)
		}
	}
	if len(both) > 0 {
		return both
	}
	return one
}

// linkError completes the error of one link. A side that is gone is named; a
// link that was to be removed is gone with it.
func (l linker) linkError(e *crm.Error, p problem, k crm.Link) error {
	if e.Kind != crm.NotFound {
		return e
	}
	if l.remove {
		return nil
	}
	missing := k.To
	if ids := recordIDs(p); slices.Contains(ids, k.From.RemoteID) && !slices.Contains(ids, k.To.RemoteID) {
		missing = k.From
	}
	own := *e // one error of HubSpot may be about many links
	own.Missing = &missing
	return &own
}
