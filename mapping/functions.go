package mapping

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // for timezone() in images without zone files
	"unicode"

	"github.com/expr-lang/expr"
)

// functions are what expressions can call beside the built-ins of expr. Every
// one of them takes nil and gives nil.
type functions struct {
	unit  time.Duration  // of call.stats.duration
	zone  *time.Location // of isoDate
	whole bool           // the cutters leave nothing out
}

// cutters are the functions that cut a text when they are given a second
// argument.
var cutters = map[string]bool{"truncate": true, "scorecardHTML": true, "transcriptHTML": true}

type function = func(args ...any) (any, error)

// signatures are the types of the functions. Results are pointers, because
// they may be nil: that keeps expr from comparing them as plain strings.
var signatures = map[string][]any{
	"firstName":       textFunction,
	"lastName":        append(textFunction, new(func(*string, any) *string), new(func(string, any) *string)),
	"truncate":        {new(func(*string, int) *string), new(func(string, int) *string)},
	"scorecard":       {new(func(*Call) *string)},
	"transcript":      {new(func(*Call) *string)},
	"scorecardHTML":   {new(func(*Call) *string), new(func(*Call, int) *string)},
	"transcriptHTML":  {new(func(*Call) *string), new(func(*Call, int) *string)},
	"averageScore":    {new(func(*Call) *float64)},
	"durationMillis":  {new(func(*Call) *int)},
	"durationSeconds": {new(func(*Call) *int)},
	"unixMillis":      {new(func(*time.Time) *int), new(func(time.Time) *int)},
	"isoDate":         {new(func(*time.Time) *string), new(func(time.Time) *string)},
	"isoTime":         {new(func(*time.Time) *string), new(func(time.Time) *string)},

	// Built-ins whose own version fails for nil, shows pointers or depends on
	// the order of a map.
	"lower":   textFunction,
	"upper":   textFunction,
	"trim":    append(textFunction, new(func(string, string) *string)),
	"string":  {new(func(any) *string)},
	"join":    {new(func([]string) *string), new(func([]string, string) *string), new(func([]any) *string), new(func([]any, string) *string)},
	"keys":    {new(func(any) []any)},
	"values":  {new(func(any) []any)},
	"toPairs": {new(func(any) []any)},
}

var textFunction = slices.Clip([]any{new(func(*string) *string), new(func(string) *string)})

// implementations pairs the names of signatures with the functions.
func (f functions) implementations() map[string]function {
	return map[string]function{
		"firstName":       ofText(firstName),
		"lastName":        lastName,
		"truncate":        f.truncate,
		"scorecard":       ofCall(func(c *Call) (any, error) { return scorecard(c).plain(), nil }),
		"transcript":      ofCall(func(c *Call) (any, error) { return transcript(c).plain(), nil }),
		"scorecardHTML":   f.ofCallHTML(scorecard),
		"transcriptHTML":  f.ofCallHTML(transcript),
		"averageScore":    ofCall(averageScore),
		"durationMillis":  f.duration(time.Millisecond),
		"durationSeconds": f.duration(time.Second),
		"unixMillis":      ofTime(func(t time.Time) any { return int(t.UnixMilli()) }),
		"isoDate":         ofTime(func(t time.Time) any { return t.In(f.zone).Format(time.DateOnly) }),
		"isoTime":         ofTime(func(t time.Time) any { return isoTime(t) }),
		"lower":           ofText(strings.ToLower),
		"upper":           ofText(strings.ToUpper),
		"trim":            trim,
		"string":          show,
		"join":            join,
		"keys":            ofMap(func(k, _ any) any { return k }),
		"values":          ofMap(func(_, v any) any { return v }),
		"toPairs":         ofMap(func(k, v any) any { return []any{k, v} }),
	}
}

// options declares the functions to the compiler.
func (f functions) options() []expr.Option {
	implementations := f.implementations()
	var options []expr.Option
	for _, name := range slices.Sorted(maps.Keys(signatures)) {
		options = append(options, expr.Function(name, implementations[name], signatures[name]...))
	}
	return options
}

// ofText makes a function of one text.
func ofText(f func(string) string) function {
	return func(args ...any) (any, error) {
		s, ok, err := textArgument(args[0])
		if !ok || err != nil {
			return nil, err
		}
		return f(s), nil
	}
}

// ofCall makes a function of one call.
func ofCall(f func(*Call) (any, error)) function {
	return func(args ...any) (any, error) {
		c, err := callArgument(args[0])
		if c == nil || err != nil {
			return nil, err
		}
		return f(c)
	}
}

// ofCallHTML makes a function of a call and an optional limit in characters.
func (f functions) ofCallHTML(of func(*Call) document) function {
	return func(args ...any) (any, error) {
		c, err := callArgument(args[0])
		if c == nil || err != nil {
			return nil, err
		}
		limit := math.MaxInt
		if len(args) > 1 {
			if limit, err = countArgument(args[1]); err != nil {
				return nil, err
			}
		}
		if f.whole {
			limit = math.MaxInt
		}
		if d := of(c); d != nil {
			return d.html(limit), nil
		}
		return nil, nil
	}
}

// ofTime makes a function of one time, or of a text that holds one: times in
// raw are texts.
func ofTime(f func(time.Time) any) function {
	return func(args ...any) (any, error) {
		switch v := dereference(args[0]).(type) {
		case nil:
			return nil, nil
		case time.Time:
			return f(v), nil
		case string:
			if t, ok := parseTime(v); ok {
				return f(t), nil
			}
		}
		return nil, argumentError("the argument is not a time")
	}
}

// dereference returns what v points to; nil for a nil pointer.
func dereference(v any) any {
	r := reflect.ValueOf(v)
	for r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return nil
		}
		r = r.Elem()
	}
	if !r.IsValid() {
		return nil
	}
	return r.Interface()
}

// textArgument returns the text of an argument; ok is false for nil.
func textArgument(v any) (s string, ok bool, err error) {
	switch v := dereference(v).(type) {
	case nil:
		return "", false, nil
	case string:
		return v, true, nil
	}
	return "", false, argumentError("the argument is not a text")
}

// callArgument returns the call of an argument, nil for nil.
func callArgument(v any) (*Call, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case *Call:
		return v, nil
	}
	return nil, argumentError("the argument is not a call")
}

// countArgument returns a number of characters.
func countArgument(v any) (int, error) {
	n, ok := dereference(v).(int)
	if !ok || n < 0 {
		return 0, argumentError("the limit is not a whole number of characters")
	}
	return n, nil
}

// firstName is all but the last word of a name, "" for a name of one word.
func firstName(name string) string {
	words := strings.Fields(clean(name))
	return strings.Join(words[:max(0, len(words)-1)], " ")
}

// unknownName stands where a CRM demands a last name and there is none.
const unknownName = "(unknown)"

// lastName is the last word of a name. Without one it is the local part of an
// e-mail address, which may stand for the name or be the second argument.
func lastName(args ...any) (any, error) {
	given := false
	for _, arg := range args {
		s, ok, err := textArgument(arg)
		if err != nil {
			return nil, err
		}
		given = given || ok
		words := strings.Fields(clean(s))
		if len(words) == 0 {
			continue
		}
		last := words[len(words)-1]
		if local, _, isEmail := strings.Cut(last, "@"); isEmail && len(words) == 1 && local != "" {
			return local, nil
		}
		return last, nil
	}
	if !given {
		return nil, nil
	}
	return unknownName, nil
}

// truncate keeps the first n characters of a text.
func (f functions) truncate(args ...any) (any, error) {
	s, ok, err := textArgument(args[0])
	if !ok || err != nil {
		return nil, err
	}
	n, err := countArgument(args[1])
	if err != nil {
		return nil, err
	}
	if f.whole {
		return s, nil
	}
	for i := range s {
		if n == 0 {
			return s[:i], nil
		}
		n--
	}
	return s, nil
}

// averageScore is the mean over the analyses that have a score. It is rounded
// to six decimals, which hides the noise of binary fractions.
func averageScore(c *Call) (any, error) {
	sum, n := 0.0, 0
	for _, a := range c.Analysis {
		if a.Score != nil {
			sum += *a.Score
			n++
		}
	}
	if n == 0 {
		return nil, nil
	}
	mean := sum / float64(n)
	if rounded := math.Round(mean*1e6) / 1e6; !math.IsInf(rounded, 0) {
		return rounded, nil
	}
	return mean, nil
}

// duration makes a function that counts the duration of a call in a unit,
// rounded to a whole number.
func (f functions) duration(unit time.Duration) function {
	return ofCall(func(c *Call) (any, error) {
		if c.Stats == nil || c.Stats.Duration == nil {
			return nil, nil
		}
		n := math.Round(*c.Stats.Duration * float64(f.unit) / float64(unit))
		if n < 0 || n > maxExact {
			return nil, argumentError("the duration of the call is out of range")
		}
		return int(n), nil
	})
}

// isoTime shows a time in UTC with milliseconds, as CRMs store them.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func trim(args ...any) (any, error) {
	s, ok, err := textArgument(args[0])
	if !ok || err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return strings.TrimSpace(s), nil
	}
	cutset, _, err := textArgument(args[1])
	return strings.Trim(s, cutset), err
}

// clean drops NUL and the other control characters except tab and line feed,
// which CRMs refuse or show as boxes, and repairs what is not UTF-8.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' && r != '\n' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
