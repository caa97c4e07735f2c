package hubspot

import (
	"context"
	"net/http"
	"time"

	"crmsync/crm"
)

// Describe implements crm.Describer. Archived properties are left out: HubSpot
// refuses to write them.
func (c *Client) Describe(ctx context.Context, o crm.Object) (crm.Schema, error) {
	all, err := c.properties(ctx, o)
	if err != nil {
		return crm.Schema{}, err
	}
	s := crm.Schema{Object: o, Name: typeName(o), Fields: make(map[string]crm.Field, len(all)), AnyOf: anyOf[o]}
	for name, p := range all {
		f := crm.Field{
			Name: name, Label: p.Label, Type: p.Type, Kind: p.kind(), Unique: p.HasUniqueValue,
			ReadOnly: p.readOnly(), Required: o == crm.Activity && name == timeProperty,
		}
		if p.Type == "string" {
			f.MaxLength, f.HTML, f.OneLine = maxText, p.FieldType == "html", p.FieldType == "text"
		}
		if name == "hs_call_duration" { // https://developers.hubspot.com/docs/api/crm/calls
			f.Unit = time.Millisecond
		}
		if !p.ExternalOptions {
			if p.Type == "enumeration" {
				f.Options = []string{} // known, even when there are none
			}
			for _, o := range p.Options {
				f.Options, f.Labels = append(f.Options, string(o.Value)), append(f.Labels, string(o.Label))
			}
		}
		s.Fields[name] = f
	}
	return s, nil
}

// timeProperty is the only property that no call is created without. HubSpot
// does not say so in the schema.
// https://developers.hubspot.com/docs/api/crm/calls
const timeProperty = "hs_timestamp"

// anyOf are the properties of which a new record needs one, which the schema
// does not say either.
// https://developers.hubspot.com/docs/api/crm/contacts
// https://developers.hubspot.com/docs/api/crm/companies
var anyOf = map[crm.Object][]string{
	crm.Contact: {emailProperty, "firstname", "lastname"},
	crm.Company: {"name", "domain"},
}

// kind says what p takes. Values of the type string that HubSpot reads itself
// are told by how they are edited: https://developers.hubspot.com/docs/api/crm/properties
func (p property) kind() crm.FieldKind {
	switch {
	case p.Name == ownerProperty, p.ReferencedType == "OWNER":
		return crm.FieldOwner
	case p.Name == emailProperty:
		return crm.FieldEmail
	case p.plain():
		return crm.FieldText
	case p.Type == "enumeration" && p.FieldType == "checkbox":
		return crm.FieldMulti
	}
	return map[string]crm.FieldKind{
		"string": crm.FieldFormatted, "number": crm.FieldNumber, "bool": crm.FieldBool,
		"date": crm.FieldDate, "datetime": crm.FieldDateTime, "enumeration": crm.FieldEnum,
	}[p.Type]
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
