package mapping

import (
	"cmp"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/parser/operator"
)

// A secret that was put into the variable of an expression is an expression
// with a mistake in it. So errors show of an expression only what cannot be one:
// operators, small numbers, names that exist and what comes near to one (I8).

// hidden stands for one character of what is not shown.
const hidden = "·"

// The length up to which any word or number may be shown: secrets are longer, or
// mix both.
const (
	maxShownWord   = 10
	maxShownNumber = 6
)

// quotedOrWord finds texts, closed or not, and then names and numbers.
var quotedOrWord = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"?|'(?:[^'\\\\]|\\\\.)*'?|`[^`]*`?|[\\pL\\pN_$]+")

var (
	onlyDigits  = regexp.MustCompile(`^[0-9]+$`)
	onlyLetters = regexp.MustCompile(`^[\pL_]+$`)
)

// hide replaces in line what may be a secret, character by character, so that
// positions stay.
func hide(line string) string {
	return quotedOrWord.ReplaceAllStringFunc(line, func(part string) string {
		if quote := part[:1]; strings.Contains("\"'`", quote) {
			inner, closed := strings.CutSuffix(part[1:], quote)
			end := ""
			if closed {
				end = quote
			}
			return quote + dots(inner) + end
		}
		if shown(part) {
			return part
		}
		return dots(part)
	})
}

// hideIn replaces in a message what hide replaces in the source that it is
// about.
func hideIn(message, source string) string {
	var parts []string
	for _, part := range quotedOrWord.FindAllString(source, -1) {
		if part = strings.Trim(part, "\"'`"); part != "" && !shown(part) {
			parts = append(parts, part)
		}
	}
	// The longest first: one may be part of another.
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, part := range slices.Compact(parts) {
		message = strings.ReplaceAll(message, part, dots(part))
	}
	return message
}

func dots(s string) string { return strings.Repeat(hidden, utf8.RuneCountInString(s)) }

// shown says whether a name or number may be shown.
func shown(word string) bool {
	switch {
	case onlyDigits.MatchString(word):
		return len(word) <= maxShownNumber
	case len(word) <= maxShownWord && onlyLetters.MatchString(word):
		return true
	}
	known := knownNames()
	return slices.Contains(known, word) || Nearest(word, known) != ""
}

// knownNames are all names that an expression can use, and the words of the
// language.
var knownNames = sync.OnceValue(func() []string {
	names := globals()
	names = append(names, slices.Collect(maps.Keys(operator.Binary))...)
	names = append(names, slices.Collect(maps.Keys(disabled))...)
	names = append(names, "else")
	times := reflect.TypeFor[time.Time]()
	for i := range times.NumMethod() {
		names = append(names, times.Method(i).Name)
	}
	seen := map[reflect.Type]bool{}
	for _, t := range []reflect.Type{reflect.TypeFor[eventInfo](), reflect.TypeFor[Call](), reflect.TypeFor[User](), reflect.TypeFor[Org]()} {
		names = append(names, fieldNames(t, seen)...)
	}
	return names
})

// fieldNames returns the names of the fields of t and of what it holds.
func fieldNames(t reflect.Type, seen map[reflect.Type]bool) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || seen[t] {
		return nil
	}
	seen[t] = true
	names := members(t)
	for f := range t.Fields() {
		names = append(names, fieldNames(f.Type, seen)...)
	}
	return names
}
