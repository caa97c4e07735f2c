package sandbox

import (
	"cmp"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxUnique is how many unique properties an object may have.
const maxUnique = 10

// Property is a property of an object. For Options.Custom only Name and Type
// are needed.
type Property struct {
	Name                 string   `json:"name"`
	Label                string   `json:"label"`
	Type                 string   `json:"type"`      // string number bool enumeration date datetime
	FieldType            string   `json:"fieldType"` // how it is edited
	GroupName            string   `json:"groupName"`
	Description          string   `json:"description"`
	Options              []Option `json:"options"`
	DisplayOrder         int      `json:"displayOrder"`
	HasUniqueValue       bool     `json:"hasUniqueValue"`
	Hidden               bool     `json:"hidden"`
	FormField            bool     `json:"formField"`
	Calculated           bool     `json:"calculated"`
	ExternalOptions      bool     `json:"externalOptions"`
	HubSpotDefined       bool     `json:"hubspotDefined"`
	Archived             bool     `json:"archived"`
	CreatedAt            string   `json:"createdAt"`
	UpdatedAt            string   `json:"updatedAt"`
	ModificationMetadata struct {
		Archivable         bool `json:"archivable"`
		ReadOnlyDefinition bool `json:"readOnlyDefinition"`
		ReadOnlyValue      bool `json:"readOnlyValue"`
	} `json:"modificationMetadata"`
}

// Option is an allowed value of an enumeration.
type Option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	Description  string `json:"description,omitempty"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// Group is a heading under which properties are shown.
type Group struct {
	Name         string `json:"name"`
	Label        string `json:"label"`
	DisplayOrder int    `json:"displayOrder"`
	Archived     bool   `json:"archived"`
}

// fieldTypes lists the types and how each may be edited, the usual way first.
func fieldTypes() map[string][]string {
	return map[string][]string{
		"string":      {"text", "textarea", "html", "file", "phonenumber"},
		"number":      {"number", "text"},
		"bool":        {"booleancheckbox"},
		"enumeration": {"select", "radio", "checkbox", "booleancheckbox"},
		"date":        {"date"},
		"datetime":    {"date"},
	}
}

// define adds a property to the schema, with what p leaves open filled in.
func (t *table) define(p Property, now time.Time) {
	p.Label = cmp.Or(p.Label, p.Name)
	p.Type = cmp.Or(p.Type, "string")
	p.FieldType = cmp.Or(p.FieldType, fieldTypes()[p.Type][0])
	p.GroupName = cmp.Or(p.GroupName, strings.ToLower(t.singular)+"information")
	p.CreatedAt, p.UpdatedAt = stamp(now), stamp(now)
	p.ModificationMetadata.Archivable = !p.HubSpotDefined
	p.ModificationMetadata.ReadOnlyDefinition = p.HubSpotDefined
	if p.Options == nil {
		p.Options = []Option{}
	}
	t.properties[p.Name] = &p
}

func (s *Server) listProperties(c *call) (reply, *apiError) {
	list := page[*Property]{Results: []*Property{}}
	if c.query("archived", "false") != "true" {
		for _, name := range slices.Sorted(maps.Keys(c.object.properties)) {
			list.Results = append(list.Results, c.object.properties[name])
		}
	}
	return reply{http.StatusOK, list}, nil
}

func (s *Server) readProperty(c *call) (reply, *apiError) {
	p, ok := c.object.properties[c.r.PathValue("name")]
	if !ok {
		return reply{}, notFound()
	}
	return reply{http.StatusOK, p}, nil
}

// propertyInput is the definition of a new property.
type propertyInput struct {
	Name           string        `json:"name"`
	Label          string        `json:"label"`
	Type           string        `json:"type"`
	FieldType      string        `json:"fieldType"`
	GroupName      string        `json:"groupName"`
	Description    string        `json:"description,omitempty"`
	Options        []optionInput `json:"options,omitempty"`
	DisplayOrder   int           `json:"displayOrder,omitempty"`
	HasUniqueValue bool          `json:"hasUniqueValue,omitempty"`
	Hidden         bool          `json:"hidden,omitempty"`
	FormField      bool          `json:"formField,omitempty"`
}

type optionInput struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	Description  string `json:"description,omitempty"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

func (s *Server) createProperty(c *call) (reply, *apiError) {
	var in propertyInput
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	p, e := s.addProperty(c, in)
	if e != nil {
		return reply{}, e
	}
	return reply{http.StatusCreated, p}, nil
}

// createProperties carries out each input on its own.
func (s *Server) createProperties(c *call) (reply, *apiError) {
	var in struct {
		Inputs []propertyInput `json:"inputs"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if e := checkCount(len(in.Inputs), maxInputs); e != nil {
		return reply{}, e
	}
	b := s.newBatch(c)
	for _, input := range in.Inputs {
		p, e := s.addProperty(c, input)
		if e != nil {
			b.errors = append(b.errors, e.with("name", input.Name))
			continue
		}
		b.results = append(b.results, p)
	}
	return b.reply(http.StatusCreated), nil
}

func (s *Server) addProperty(c *call, in propertyInput) (*Property, *apiError) {
	t := c.object
	if e := t.checkDefinition(in); e != nil {
		return nil, e
	}
	p := Property{
		Name: in.Name, Label: in.Label, Type: in.Type, FieldType: in.FieldType, GroupName: in.GroupName,
		Description: in.Description, DisplayOrder: in.DisplayOrder, HasUniqueValue: in.HasUniqueValue,
		Hidden: in.Hidden, FormField: in.FormField,
	}
	for _, o := range in.Options {
		p.Options = append(p.Options, Option(o))
	}
	t.define(p, c.now)
	s.writes++
	return t.properties[in.Name], nil
}

var propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

func (t *table) checkDefinition(in propertyInput) *apiError {
	_, taken := t.properties[in.Name]
	_, grouped := t.groups[in.GroupName]
	editable, typed := fieldTypes()[in.Type]
	switch {
	case taken:
		e := newError(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "A property named '"+in.Name+"' already exists.")
		e.SubCategory = "Properties.PROPERTY_WITH_NAME_EXISTS"
		return e.with("name", in.Name)
	case !propertyName.MatchString(in.Name):
		return invalid("The property name is not valid: lower case letters, digits and underscores only, at most 100")
	case !grouped:
		return invalid("The property group %q does not exist", in.GroupName)
	case !typed || !slices.Contains(editable, in.FieldType):
		return invalid("The fieldType %q does not go with the type %q", in.FieldType, in.Type)
	case in.Type == "bool" && !hasBoolOptions(in.Options):
		return invalid("A bool property needs exactly the options true and false")
	case in.Type == "enumeration" && len(in.Options) == 0:
		return invalid("An enumeration needs options")
	case in.HasUniqueValue && in.Type != "string" && in.Type != "number":
		return invalid("A property of type %s cannot be unique", in.Type)
	case in.HasUniqueValue && t.uniqueCount() >= maxUnique:
		return invalid("The object has %d unique properties already", maxUnique)
	}
	return nil
}

func hasBoolOptions(options []optionInput) bool {
	var values []string
	for _, o := range options {
		values = append(values, o.Value)
	}
	slices.Sort(values)
	return slices.Equal(values, []string{"false", "true"})
}

func (t *table) uniqueCount() int {
	n := 0
	for _, p := range t.properties {
		if p.HasUniqueValue {
			n++
		}
	}
	return n
}

func (s *Server) listGroups(c *call) (reply, *apiError) {
	list := page[Group]{Results: []Group{}}
	for _, name := range slices.Sorted(maps.Keys(c.object.groups)) {
		list.Results = append(list.Results, c.object.groups[name])
	}
	return reply{http.StatusOK, list}, nil
}

func (s *Server) createGroup(c *call) (reply, *apiError) {
	var in struct {
		Name         string `json:"name"`
		Label        string `json:"label"`
		DisplayOrder int    `json:"displayOrder,omitempty"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if _, taken := c.object.groups[in.Name]; taken {
		e := newError(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "A property group named '"+in.Name+"' already exists.")
		e.SubCategory = "Properties.GROUP_WITH_NAME_EXISTS"
		return reply{}, e.with("name", in.Name)
	}
	if !propertyName.MatchString(in.Name) {
		return reply{}, invalid("The group name is not valid")
	}
	g := Group{Name: in.Name, Label: in.Label, DisplayOrder: in.DisplayOrder}
	c.object.groups[in.Name] = g
	s.writes++
	return reply{http.StatusCreated, g}, nil
}
