package crmtest_test

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"crmsync/crm"
)

// Preview implements crm.Previewer, one record at a time.
func (c *memoryClient) Preview(ctx context.Context, o crm.Object, records []crm.Record) ([]crm.Preview, error) {
	previews := make([]crm.Preview, len(records))
	for i, r := range records {
		preview, err := c.preview(ctx, o, r)
		if err != nil {
			return nil, err
		}
		previews[i] = preview
	}
	switch c.mistake {
	case "previews are out of order":
		slices.Reverse(previews)
	case "previews write":
		if _, err := c.Upsert(ctx, o, records); err != nil {
			return nil, err
		}
	}
	return previews, nil
}

func (c *memoryClient) preview(ctx context.Context, o crm.Object, r crm.Record) (crm.Preview, *crm.Error) {
	out, err := c.do(ctx, memoryRequest{Verb: "list", ID: r.RemoteID, Object: string(o)})
	switch {
	case err != nil:
		return crm.Preview{}, err
	case out.Found == nil:
		return crm.Preview{}, &crm.Error{Message: "there is no list"}
	case r.RemoteID == "":
		return crm.Preview{Action: crm.Created, Changes: c.changes(r, nil)}, nil
	case len(out.Found) == 0:
		return crm.Preview{Err: &crm.Error{Kind: crm.NotFound}}, nil
	}
	p := crm.Preview{Action: crm.Updated, RemoteID: r.RemoteID, Changes: c.changes(r, out.Found[0].Fields)}
	if len(p.Changes) == 0 {
		p.Action = crm.Unchanged
	}
	return p, nil
}

func (c *memoryClient) changes(r crm.Record, now map[string]string) []crm.Change {
	var changes []crm.Change
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		value := fmt.Sprint(r.Fields[name])
		overlooked := value == "" && c.mistake == "cleared fields are not seen"
		if value != now[name] && !overlooked {
			changes = append(changes, crm.Change{Field: name, Old: now[name], New: value})
		}
	}
	return changes
}
