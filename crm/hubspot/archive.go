package hubspot

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"crmsync/crm"
)

// Archive implements crm.Archiver: records go to the recycle bin, from where a
// person can restore them for 90 days.
func (c *Client) Archive(ctx context.Context, o crm.Object, refs []crm.Ref) ([]error, error) {
	op := "archive " + typeName(o)
	if err := c.checkBatch(op, o, len(refs)); err != nil {
		return nil, err
	}
	errs := make([]error, len(refs))
	var ids []ident
	for i, r := range refs {
		if r.RemoteID == "" {
			errs[i] = &crm.Error{Kind: crm.Invalid, Op: op, Message: "the record id is not known"}
		} else if !slices.Contains(ids, ident{r.RemoteID}) {
			ids = append(ids, ident{r.RemoteID})
		}
	}
	if len(ids) == 0 {
		return errs, nil
	}
	refused, err := c.archive(ctx, o, ids)
	if err != nil {
		return nil, err
	}
	for i, r := range refs {
		if e := refused[r.RemoteID]; e != nil {
			errs[i] = e
		}
	}
	return errs, nil
}

// archive returns the errors by record id. One that is gone already has none;
// when a whole request fails because of such a record, each is sent alone.
func (c *Client) archive(ctx context.Context, o crm.Object, ids []ident) (map[string]*crm.Error, error) {
	op := "archive " + typeName(o)
	var answer writeAnswer // empty as a rule: 204
	r, err := c.do(ctx, call{op: op, method: http.MethodPost, path: c.paths.batch(o, "archive"), body: inputs[ident]{ids}}, &answer)
	refused := map[string]*crm.Error{}
	if err == nil {
		for _, p := range answer.Errors {
			e := c.itemError(op, r, p)
			if e.Kind == crm.NotFound {
				continue
			}
			named := recordIDs(p)
			if len(named) == 0 {
				return nil, e
			}
			for _, id := range named {
				refused[id] = e
			}
		}
		return refused, nil
	}
	e := crm.AsError(err)
	if e.Kind != crm.NotFound {
		return nil, e
	}
	if len(ids) == 1 {
		return refused, nil
	}
	for _, id := range ids {
		one, err := c.archive(ctx, o, []ident{id})
		if err != nil {
			return nil, err
		}
		maps.Copy(refused, one)
	}
	return refused, nil
}
