package mapping

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// filler copies decoded JSON into the structs of the schema. What does not fit
// is left nil and named in a warning.
type filler struct {
	warnings []string
	more     int                       // warnings beyond maxWarnings
	names    map[reflect.Type][]string // by struct: what jsonNames found
}

// warn notes that the member at path cannot be used. Neither may come from the
// event: warnings are logged.
func (f *filler) warn(path, what string) {
	if len(f.warnings) == maxWarnings {
		f.more++
		return
	}
	f.warnings = append(f.warnings, path+" "+what)
}

func (f *filler) result() []string {
	if f.more > 0 {
		return append(f.warnings, "and "+strconv.Itoa(f.more)+" more")
	}
	return f.warnings
}

// fillObject returns a new T filled from v, nil when v is absent or no object.
func fillObject[T any](f *filler, v any, path string) *T {
	var t *T
	f.set(&t, v, path)
	return t
}

// set stores v, an any of JSON, where dst points to.
func (f *filler) set(dst any, v any, path string) { f.assign(reflect.ValueOf(dst).Elem(), v, path) }

// assign stores v in dst: a pointer to a scalar or struct, a slice of strings
// or of structs.
func (f *filler) assign(dst reflect.Value, v any, path string) {
	if v == nil {
		return
	}
	switch p := dst.Addr().Interface().(type) {
	case **string:
		if s, ok := v.(string); ok {
			*p = &s
		} else {
			f.warn(path, "is not a string")
		}
	case **float64:
		if x, ok := toNumber(v); ok {
			*p = &x
		} else {
			f.warn(path, "is not a number")
		}
	case **time.Time:
		s, _ := v.(string)
		if t, ok := parseTime(s); ok {
			*p = &t
		} else {
			f.warn(path, "is not a time")
		}
	case *[]string:
		*p = f.strings(v, path)
	default:
		f.nested(dst, v, path)
	}
}

// nested stores an object in a pointer to a struct, or an array of objects in
// a slice of structs.
func (f *filler) nested(dst reflect.Value, v any, path string) {
	if dst.Kind() == reflect.Pointer {
		m, ok := v.(map[string]any)
		if !ok {
			f.warn(path, "is not an object")
			return
		}
		dst.Set(reflect.New(dst.Type().Elem()))
		f.members(dst.Elem(), m, path)
		return
	}
	list, ok := v.([]any)
	if !ok {
		f.warn(path, "is not an array")
		return
	}
	dst.Set(reflect.MakeSlice(dst.Type(), 0, len(list)))
	for i, element := range list {
		at := path + "[" + strconv.Itoa(i) + "]"
		m, ok := element.(map[string]any)
		if !ok {
			f.warn(at, "is not an object")
			continue
		}
		item := reflect.New(dst.Type().Elem()).Elem()
		f.members(item, m, at)
		dst.Set(reflect.Append(dst, item))
	}
}

// members fills the fields of a struct by the names of their json tags.
func (f *filler) members(dst reflect.Value, m map[string]any, path string) {
	for i, name := range f.jsonNames(dst.Type()) {
		if v, ok := m[name]; ok {
			f.assign(dst.Field(i), v, path+"."+name)
		}
	}
}

// jsonNames returns the json tags of the fields of a struct. To read one takes
// longer than to fill its field, and a transcript has many turns.
func (f *filler) jsonNames(t reflect.Type) []string {
	if names, ok := f.names[t]; ok {
		return names
	}
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("json")
	}
	if f.names == nil {
		f.names = map[reflect.Type][]string{}
	}
	f.names[t] = names
	return names
}

// strings reads an array of strings leniently: one string stands for an array
// of it, other elements are shown as JSON, null ones are left out.
func (f *filler) strings(v any, path string) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		list := make([]string, 0, len(v))
		for _, element := range v {
			switch element := element.(type) {
			case nil:
			case string:
				list = append(list, element)
			default:
				list = append(list, toJSON(element))
			}
		}
		return list
	default:
		f.warn(path, "is not an array")
		return nil
	}
}

// toNumber reads a JSON number or a string that holds one.
func toNumber(v any) (float64, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	}
	// ParseFloat also takes hexadecimal, underscores, Inf and NaN.
	if text == "" || strings.Trim(text, "0123456789.eE+-") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil && !math.IsInf(x, 0)
}

// toJSON shows a value as compact JSON; maps come out sorted.
func toJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}
