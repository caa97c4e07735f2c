package mapping

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ofMap makes a function that lists a map in the order of its keys.
func ofMap(item func(key, value any) any) function {
	return func(args ...any) (any, error) {
		v := dereference(args[0])
		if v == nil {
			return nil, nil
		}
		m := reflect.ValueOf(v)
		if m.Kind() != reflect.Map {
			return nil, argumentError("the argument is not an object")
		}
		keys := m.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int {
			return cmp.Compare(fmt.Sprint(a.Interface()), fmt.Sprint(b.Interface()))
		})
		list := make([]any, len(keys))
		for i, k := range keys {
			list[i] = item(k.Interface(), m.MapIndex(k).Interface())
		}
		return list, nil
	}
}

// join joins a list of scalars; nil elements are left out.
func join(args ...any) (any, error) {
	separator := ""
	if len(args) > 1 {
		s, _, err := textArgument(args[1])
		if err != nil {
			return nil, err
		}
		separator = s
	}
	v := dereference(args[0])
	if v == nil || reflect.ValueOf(v).Kind() != reflect.Slice {
		return nil, nil
	}
	list, err := texts(reflect.ValueOf(v))
	if list == nil || err != nil {
		return nil, err
	}
	return strings.Join(list, separator), nil
}

// texts shows the scalars of a slice; nil for a nil slice.
func texts(v reflect.Value) ([]string, error) {
	if v.IsNil() {
		return nil, nil
	}
	list := make([]string, 0, v.Len())
	for i := range v.Len() {
		element := dereference(v.Index(i).Interface())
		if element == nil {
			continue
		}
		s, ok := scalarText(element)
		if !ok {
			return nil, argumentError("the list holds something that is neither text, number, bool nor time")
		}
		list = append(list, s)
	}
	return list, nil
}

// show is the text of any value: scalars as people write them, the rest as
// JSON. nil stays nil.
func show(args ...any) (any, error) {
	v := dereference(args[0])
	if v == nil {
		return nil, nil
	}
	if s, ok := scalarText(v); ok {
		return s, nil
	}
	if s := toJSON(v); s != "" {
		return s, nil
	}
	return nil, argumentError("the argument cannot be shown as a text")
}

// scalarText shows a scalar; ok is false for anything else.
func scalarText(v any) (s string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return formatNumber(v), true
	case time.Time:
		return isoTime(v), true
	case time.Duration:
		return v.String(), true
	}
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return strconv.FormatInt(r.Int(), 10), true
	case r.CanUint():
		return strconv.FormatUint(r.Uint(), 10), true
	case r.CanFloat():
		return formatNumber(r.Float()), true
	}
	return "", false
}

// formatNumber shows a number without an exponent and without noise.
func formatNumber(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
