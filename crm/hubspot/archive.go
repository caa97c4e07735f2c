package hubspot

import (
	"context"
	"net/http"
	"slices"

	"crmsync/crm"
)

// Archive implements crm.Archiver: records go to the recycle bin, from where a
// person can restore them for 90 days. A request that is refused because of
// some record in it fails as a whole: the caller halves it.
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
	refused, err := c.archive(ctx, op, o, ids)
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

// archive returns errors by record id. A record that is gone already has none.
func (c *Client) archive(ctx context.Context, op string, o crm.Object, ids []ident) (map[string]*crm.Error, error) {
	var answer writeAnswer // as a rule empty: 204
	r, err := c.do(ctx, call{op: op, method: http.MethodPost, path: c.paths.batch(o, "archive"), body: inputs[ident]{ids}, writes: o}, &answer)
	if err != nil {
		if len(ids) == 1 && crm.AsError(err).Kind == crm.NotFound {
			return nil, nil
		}
		return nil, err
	}
	refused := map[string]*crm.Error{}
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
