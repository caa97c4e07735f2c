package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// decode reads a JSON body into the struct that v points to. Stricter than
// encoding/json: member names are matched exactly, unknown ones are refused,
// and every member without omitempty must be there and not null.
func decode(body []byte, v any) *apiError {
	dec := json.NewDecoder(bytes.NewReader(body))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return unreadable(dec.InputOffset(), "%s", syntaxReason(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return unreadable(dec.InputOffset(), "Unexpected content after the value")
	}
	if e := checkShape(raw, reflect.TypeOf(v).Elem()); e != nil {
		return e
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return unreadable(2, "Cannot deserialize value")
	}
	return nil
}

func syntaxReason(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return syntax.Error()
	}
	return "Unexpected end-of-input"
}

// checkShape compares raw with what t would be marshalled to.
func checkShape(raw json.RawMessage, t reflect.Type) *apiError {
	switch t.Kind() {
	case reflect.Struct:
		return checkObject(raw, t)
	case reflect.Slice:
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil || items == nil {
			return unreadable(2, "Cannot deserialize value of type `java.util.ArrayList` from %s", kindOf(raw))
		}
		for _, item := range items {
			if e := checkShape(item, t.Elem()); e != nil {
				return e
			}
		}
	case reflect.Map:
		var items map[string]json.RawMessage
		if json.Unmarshal(raw, &items) != nil || items == nil {
			return unreadable(2, "Cannot deserialize value of type `java.util.LinkedHashMap` from %s", kindOf(raw))
		}
		for _, name := range slices.Sorted(maps.Keys(items)) {
			if e := checkShape(items[name], t.Elem()); e != nil {
				return e
			}
		}
	case reflect.String:
		if kindOf(raw) != "String value" {
			return unreadable(2, "Cannot deserialize value of type `java.lang.String` from %s", kindOf(raw))
		}
	}
	return nil // numbers and bools are left to encoding/json
}

func checkObject(raw json.RawMessage, t reflect.Type) *apiError {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return unreadable(2, "Cannot deserialize value of type `%s` from %s", t.Name(), kindOf(raw))
	}
	var missing []string
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		member, ok := members[name]
		delete(members, name)
		switch {
		case !ok && options == "omitempty":
		case !ok || string(member) == "null":
			missing = append(missing, name)
		default:
			if e := checkShape(member, t.Field(i).Type); e != nil {
				return e
			}
		}
	}
	if len(members) > 0 {
		return unreadable(2, "Unrecognized field %q", slices.Sorted(maps.Keys(members))[0])
	}
	if len(missing) > 0 {
		return invalid("Invalid input JSON on line 1, column 2. Some required fields were not set: [%s]", strings.Join(missing, ", "))
	}
	return nil
}

// kindOf names a JSON value without quoting it.
func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "String value"
	case '{':
		return "Object value"
	case '[':
		return "Array value"
	case 't', 'f':
		return "Boolean value"
	case 'n':
		return "Null value"
	default:
		return "Number value"
	}
}
