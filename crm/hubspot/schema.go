package hubspot

import (
	"context"
	"net/http"

	"crmsync/crm"
)

// Describe implements crm.Describer. Archived properties are left out: HubSpot
// refuses to write them.
func (c *Client) Describe(ctx context.Context, o crm.Object) (crm.Schema, error) {
	all, err := c.properties(ctx, o)
	if err != nil {
		return crm.Schema{}, err
	}
	s := crm.Schema{Object: o, Name: typeName(o), Fields: make(map[string]crm.Field, len(all))}
	for name, p := range all {
		f := crm.Field{
			Name: name, Label: p.Label, Type: p.Type, Unique: p.HasUniqueValue,
			ReadOnly: p.readOnly(), Text: p.plain(),
		}
		for _, o := range p.Options {
			f.Options = append(f.Options, string(o.Value))
		}
		s.Fields[name] = f
	}
	return s, nil
}

// properties reads the schema of one object, by property name. HubSpot sends
// it in one page.
func (c *Client) properties(ctx context.Context, o crm.Object) (map[string]property, error) {
	op := "describe " + typeName(o)
	if err := c.checkBatch(op, o, 0); err != nil {
		return nil, err
	}
	var list propertyList
	r, err := c.do(ctx, call{op: op, method: http.MethodGet, path: c.paths.property(o)}, &list)
	if err != nil {
		return nil, err
	}
	if len(list.Results) == 0 {
		return nil, c.foreign(op, r) // every object has properties: an empty list would condemn the mapping
	}
	all := make(map[string]property, len(list.Results))
	for _, p := range list.Results {
		if !p.Archived {
			all[p.Name] = p
		}
	}
	return all, nil
}
