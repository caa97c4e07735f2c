package hubspot

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"crmsync/crm"
)

const groupName = "crmsync" // of our properties, on every object

// Our custom properties beside the id, by name. A mapping may use any of them
// on any object.
var (
	textProperty     = propertyBody{Type: "string", FieldType: "text"}
	longTextProperty = propertyBody{Type: "string", FieldType: "textarea"}
	numberProperty   = propertyBody{Type: "number", FieldType: "number"}
	boolProperty     = propertyBody{Type: "bool", FieldType: "booleancheckbox", Options: []option{
		{Label: "Yes", Value: "true", DisplayOrder: 0},
		{Label: "No", Value: "false", DisplayOrder: 1},
	}}
)

var customProperties = map[string]propertyBody{
	"crmsync_deleted":        labelled(boolProperty, "Deleted in training"),
	"crmsync_score":          labelled(numberProperty, "Training score"),
	"crmsync_transcript":     labelled(longTextProperty, "Training transcript"),
	"crmsync_role":           labelled(textProperty, "Training role"),
	"crmsync_status":         labelled(textProperty, "Training status"),
	"crmsync_team_id":        labelled(textProperty, "Training team ID"),
	"crmsync_manager_id":     labelled(textProperty, "Training manager ID"),
	"crmsync_streak":         labelled(numberProperty, "Training streak"),
	"crmsync_longest_streak": labelled(numberProperty, "Longest training streak"),
}

func labelled(p propertyBody, label string) propertyBody {
	p.Label = label
	return p
}

// idBody is the property that holds our key. Uniqueness is honoured only when
// a property is created.
func (c *Client) idBody() propertyBody {
	return propertyBody{
		Name: c.idProperty, Label: "crmsync ID", Type: "string", FieldType: "text", HasUniqueValue: true,
		Description: "Written by crmsync: the id of the call, user or organisation that this record stands for.",
	}
}

// Provision implements crm.Provisioner: the property group, the id property and
// those custom properties of ours that the mapping uses, on the mapped objects.
// Properties that exist are never changed.
func (c *Client) Provision(ctx context.Context, p crm.Provision) ([]crm.Step, error) {
	var steps []crm.Step
	for _, o := range crm.Objects() {
		fields, mapped := p.Fields[o]
		if !mapped {
			continue
		}
		existing, err := c.properties(ctx, o)
		if err != nil {
			return steps, err
		}
		s := &setup{c: c, object: o, existing: existing, dryRun: p.DryRun}
		if err := s.run(ctx, fields); err != nil {
			return append(steps, s.steps...), err
		}
		steps = append(steps, s.steps...)
	}
	return steps, nil
}

// setup provisions one object.
type setup struct {
	c        *Client
	object   crm.Object
	existing map[string]property
	dryRun   bool
	grouped  bool // the group is known to exist
	steps    []crm.Step
}

func (s *setup) run(ctx context.Context, fields []string) error {
	wanted := map[string]propertyBody{s.c.idProperty: s.c.idBody()}
	var unknown []string
	for _, name := range fields {
		body, ours := customProperties[name]
		_, exists := s.existing[name]
		switch {
		case name == s.c.idProperty:
		case ours:
			body.Name = name
			wanted[name] = body
		case !exists:
			unknown = append(unknown, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if err := s.ensure(ctx, wanted[name]); err != nil {
			return err
		}
	}
	slices.Sort(unknown)
	for _, name := range slices.Compact(unknown) {
		s.add(name, crm.StepManual, fmt.Sprintf("HubSpot has no property %s on %s: create it there, or correct the mapping", name, typeName(s.object)))
	}
	return nil
}

func (s *setup) add(field, action, note string) {
	s.steps = append(s.steps, crm.Step{Object: s.object, Field: field, Action: action, Note: note})
}

// ensure makes one property exist and says what had to be done.
func (s *setup) ensure(ctx context.Context, want propertyBody) error {
	if got, exists := s.existing[want.Name]; exists {
		s.compare(want, got, crm.StepExists)
		return nil
	}
	if s.dryRun {
		s.add(want.Name, crm.StepCreate, describe(want))
		return nil
	}
	if err := s.ensureGroup(ctx); err != nil {
		return err
	}
	want.GroupName = groupName
	var got property
	path := s.c.paths.property(s.object)
	_, err := s.c.do(ctx, call{op: "create property", method: http.MethodPost, path: path, body: want}, &got)
	action := crm.StepCreated
	if err != nil {
		if crm.AsError(err).Kind != crm.Conflict {
			return err
		}
		// Somebody was faster, or the list is not up to date yet.
		action = crm.StepExists
		if _, err := s.c.do(ctx, call{op: "read property", method: http.MethodGet, path: path + "/" + want.Name}, &got); err != nil {
			return err
		}
	}
	s.compare(want, got, action)
	return nil
}

func describe(p propertyBody) string {
	if p.HasUniqueValue {
		return p.Type + ", unique values"
	}
	return p.Type
}

// compare reports a property that is there. What is wrong with it cannot be
// mended through the API.
func (s *setup) compare(want propertyBody, got property, action string) {
	switch {
	case want.HasUniqueValue && !got.HasUniqueValue:
		s.add(want.Name, crm.StepManual, "exists without unique values, which HubSpot only sets when a property is created: "+
			"delete it for good (also from the archived ones) and run setup again, or name another property in ID_PROPERTY")
	case got.Type != "" && got.Type != want.Type:
		s.add(want.Name, crm.StepManual, fmt.Sprintf("exists with the type %s instead of %s: rename or delete it, or map another property", got.Type, want.Type))
	case got.Archived:
		s.add(want.Name, crm.StepManual, "is archived: restore it in HubSpot")
	default:
		s.add(want.Name, action, describe(want))
	}
}

// ensureGroup creates the group of our properties. That it exists is no error.
func (s *setup) ensureGroup(ctx context.Context) error {
	if s.grouped {
		return nil
	}
	_, err := s.c.do(ctx, call{
		op: "create property group", method: http.MethodPost,
		path: s.c.paths.property(s.object) + "/groups", body: groupBody{Name: groupName, Label: "crmsync"},
	}, nil)
	if err != nil && crm.AsError(err).Kind != crm.Conflict {
		return err
	}
	s.grouped = true
	return nil
}
