package mapping

import (
	"math"
	"reflect"
	"time"
)

// fieldValue converts what an expression gave into what crm.Fields holds. It
// returns nil for nil. The error quotes no value.
func fieldValue(v any) (any, error) {
	switch v := dereference(v).(type) {
	case nil:
		return nil, nil
	case string:
		return clean(v), nil
	case bool:
		return v, nil
	case time.Time:
		return v, nil
	case time.Duration:
		return nil, argumentError("gives a duration: choose a unit, such as .Seconds()")
	default:
		return reflectedValue(reflect.ValueOf(v))
	}
}

// reflectedValue converts numbers of every size, named types of scalars, and
// lists of scalars.
func reflectedValue(v reflect.Value) (any, error) {
	switch {
	case v.Kind() == reflect.String:
		return clean(v.String()), nil
	case v.CanInt():
		return v.Int(), nil
	case v.CanUint() && v.Uint() <= math.MaxInt64:
		return int64(v.Uint()), nil
	case v.CanFloat() && !math.IsInf(v.Float(), 0) && !math.IsNaN(v.Float()):
		return v.Float(), nil
	case v.CanFloat() || v.CanUint():
		return nil, argumentError("gives a number that is not finite or too large")
	case v.Kind() == reflect.Slice:
		list, err := texts(v)
		if list == nil || err != nil {
			return nil, err
		}
		for i, s := range list {
			list[i] = clean(s)
		}
		return list, nil
	}
	return nil, argumentError("gives an object, which no CRM field can hold: choose a member of it")
}
