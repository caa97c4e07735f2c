package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// apiError is an error body of HubSpot's, whole or as an item of a batch.
// https://developers.hubspot.com/docs/api-reference/error-handling
type apiError struct {
	status int // HTTP

	Status        string              `json:"status"`
	Message       string              `json:"message"`
	CorrelationID string              `json:"correlationId,omitempty"`
	Category      string              `json:"category,omitempty"`
	SubCategory   string              `json:"subCategory,omitempty"`
	Context       map[string][]string `json:"context,omitempty"`
	Errors        []detail            `json:"errors,omitempty"`
	ErrorType     string              `json:"errorType,omitempty"`
	PolicyName    string              `json:"policyName,omitempty"`

	// Of the token endpoint: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
	Error            string `json:"error,omitempty"`
	ErrorDescription string `json:"error_description,omitempty"`
}

// detail is one thing wrong with one input.
type detail struct {
	Message string              `json:"message"`
	Code    string              `json:"code,omitempty"`
	Context map[string][]string `json:"context,omitempty"`
}

func (d detail) property() string {
	if names := d.Context["propertyName"]; len(names) > 0 {
		return names[0]
	}
	return ""
}

// categoryNotFound is the category of a record that does not exist.
const categoryNotFound = "OBJECT_NOT_FOUND"

func newError(status int, category, message string) *apiError {
	return &apiError{status: status, Status: "error", Category: category, Message: message}
}

// invalid is the common refusal of an input.
func invalid(format string, args ...any) *apiError {
	return newError(http.StatusBadRequest, "VALIDATION_ERROR", fmt.Sprintf(format, args...))
}

// unreadable is the parser's refusal of a body: it has no category.
func unreadable(column int64, format string, args ...any) *apiError {
	return newError(http.StatusBadRequest, "",
		fmt.Sprintf("Invalid input JSON on line 1, column %d: ", max(column, 1))+fmt.Sprintf(format, args...))
}

func notFound() *apiError {
	return newError(http.StatusNotFound, categoryNotFound, "resource not found")
}

// with returns e with ids added to its context under name.
func (e *apiError) with(name string, ids ...string) *apiError {
	if e.Context == nil {
		e.Context = map[string][]string{}
	}
	e.Context[name] = append(e.Context[name], ids...)
	return e
}

func propertyError(property, code, format string, args ...any) detail {
	return detail{
		Message: fmt.Sprintf(format, args...),
		Code:    code,
		Context: map[string][]string{"propertyName": {property}},
	}
}

// invalidValues is the refusal of property values. The message packs all of
// them as JSON, as clients of the older API expect.
func invalidValues(packedOnly bool, details []detail) *apiError {
	type packed struct {
		IsValid bool   `json:"isValid"`
		Message string `json:"message"`
		Error   string `json:"error"`
		Name    string `json:"name"`
	}
	slices.SortFunc(details, func(a, b detail) int { return strings.Compare(a.property(), b.property()) })
	items := make([]packed, 0, len(details))
	for _, d := range details {
		items = append(items, packed{Message: d.Message, Error: d.Code, Name: d.property()})
	}
	text, err := json.Marshal(items)
	if err != nil {
		return invalid("Property values were not valid")
	}
	e := invalid("Property values were not valid: %s", text)
	if !packedOnly {
		e.Errors = details
	}
	return e
}

// missingScopes is the answer to a token that may not do this.
func missingScopes(anyOf []string) *apiError {
	e := newError(http.StatusForbidden, "MISSING_SCOPES",
		"This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes.")
	e.Errors = []detail{{
		Message: "One or more of the following scopes are required.",
		Context: map[string][]string{"requiredGranularScopes": anyOf},
	}}
	return e.with("requiredGranularScopes", anyOf...)
}
