package hubspot

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Requests. Values are always JSON strings.

type inputs[T any] struct {
	Inputs []T `json:"inputs"`
}

type writeInput struct {
	ID         string            `json:"id,omitempty"` // none of a create
	IDProperty string            `json:"idProperty,omitempty"`
	TraceID    string            `json:"objectWriteTraceId"`
	Properties map[string]string `json:"properties"`
}

type readBody struct {
	IDProperty            string   `json:"idProperty,omitempty"`
	Properties            []string `json:"properties"`
	PropertiesWithHistory []string `json:"propertiesWithHistory"`
	Inputs                []ident  `json:"inputs"`
}

type ident struct {
	ID string `json:"id"`
}

type linkInput struct {
	From ident `json:"from"`
	To   ident `json:"to"`
}

type unlinkInput struct {
	From ident   `json:"from"`
	To   []ident `json:"to"`
}

type groupBody struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

type propertyBody struct {
	GroupName      string   `json:"groupName"`
	Name           string   `json:"name"`
	Label          string   `json:"label"`
	Description    string   `json:"description,omitempty"`
	Type           string   `json:"type"`
	FieldType      string   `json:"fieldType"`
	HasUniqueValue bool     `json:"hasUniqueValue"`
	FormField      bool     `json:"formField"`
	Options        []option `json:"options,omitempty"`
}

type option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// Answers. Every member may be missing, and ids come as strings or numbers.

type writeAnswer struct {
	Results []object  `json:"results"`
	Errors  []problem `json:"errors"`
}

type object struct {
	ID      text  `json:"id"`
	New     *bool `json:"new"`
	TraceID text  `json:"objectWriteTraceId"`
	// Properties hold all that was written, which nobody asks for as a rule.
	Properties map[string]json.RawMessage `json:"properties"`
}

type linkAnswer struct {
	Results []association `json:"results"`
	Errors  []problem     `json:"errors"`
}

// association is a link as the default and as the labelled endpoint tell it.
type association struct {
	From struct {
		ID text `json:"id"`
	} `json:"from"`
	To struct {
		ID text `json:"id"`
	} `json:"to"`
	FromObjectID text `json:"fromObjectId"`
	ToObjectID   text `json:"toObjectId"`
}

type propertyList struct {
	Results []property `json:"results"`
}

type property struct {
	Name            string   `json:"name"`
	Label           string   `json:"label"`
	Type            string   `json:"type"`
	FieldType       string   `json:"fieldType"`
	HasUniqueValue  bool     `json:"hasUniqueValue"`
	Calculated      bool     `json:"calculated"`
	Archived        bool     `json:"archived"`
	ExternalOptions bool     `json:"externalOptions"`
	ReferencedType  string   `json:"referencedObjectType"` // OWNER of a property whose values are owners
	Options         []choice `json:"options"`
	Modification    struct {
		ReadOnlyValue bool `json:"readOnlyValue"`
	} `json:"modificationMetadata"`
}

// choice is one of the values that a property takes.
type choice struct {
	Label text `json:"label"`
	Value text `json:"value"`
}

// plain reports whether p takes any text and keeps it: HubSpot rewrites
// telephone numbers and HTML.
// https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide
func (p property) plain() bool {
	if p.Type != "string" || p.Name == emailProperty {
		return false
	}
	return p.FieldType == "" || p.FieldType == "text" || p.FieldType == "textarea"
}

// readOnly reports whether the API refuses to write p.
func (p property) readOnly() bool { return p.Modification.ReadOnlyValue || p.Calculated }

type ownerPage struct {
	Results []struct {
		ID       text   `json:"id"`
		Email    string `json:"email"`
		Type     string `json:"type"`
		Archived bool   `json:"archived"`
	} `json:"results"`
	Paging struct {
		Next struct {
			After text `json:"after"`
		} `json:"next"`
	} `json:"paging"`
}

type accountAnswer struct {
	PortalID text `json:"portalId"`
}

// problem is an error: the body of a refused request, an item of a batch, or a
// detail of either.
type problem struct {
	Message       text      `json:"message"`
	Code          text      `json:"code"`
	Category      text      `json:"category"`
	SubCategory   text      `json:"subCategory"`
	PolicyName    text      `json:"policyName"`
	CorrelationID text      `json:"correlationId"`
	Context       details   `json:"context"`
	Errors        []problem `json:"errors"`
}

// details are the context of a problem. They never fail to decode.
type details map[string]texts

func (d *details) UnmarshalJSON(b []byte) error {
	var m map[string]texts
	if json.Unmarshal(b, &m) == nil {
		*d = m
	}
	return nil
}

// any returns the values of all the names.
func (d details) any(names ...string) []string {
	var all []string
	for _, name := range names {
		all = append(all, d[name]...)
	}
	return all
}

// text is a JSON string, or a number or bool as it is written; "" for the
// rest. It never fails to decode: one odd member must not hide an answer.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0 || bytes.Equal(b, []byte("null")) || b[0] == '{' || b[0] == '[':
		*t = ""
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(s)
	default:
		*t = text(b)
	}
	return nil
}

// textOf reads a text that was left as it is written.
func textOf(raw json.RawMessage) string {
	var t text
	_ = t.UnmarshalJSON(raw) // it has been decoded once: it is valid
	return string(t)
}

// texts is a list of text; a single one is a list of one.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	*t = nil
	var many []text
	if json.Unmarshal(b, &many) != nil {
		var one text
		if err := json.Unmarshal(b, &one); err != nil {
			return err
		}
		many = []text{one}
	}
	for _, v := range many {
		if s := strings.TrimSpace(string(v)); s != "" {
			*t = append(*t, s)
		}
	}
	return nil
}
