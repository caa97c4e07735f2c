package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"

	"github.com/expr-lang/expr/file"
)

// Errors are all the expressions of a Config that are wrong.
type Errors []*ExpressionError

// Error returns one paragraph for each expression.
func (es Errors) Error() string {
	texts := make([]string, len(es))
	for i, e := range es {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns the errors one by one, for errors.As.
func (es Errors) Unwrap() []error {
	list := make([]error, len(es))
	for i, e := range es {
		list[i] = e
	}
	return list
}

// Error returns what is wrong and, when the position is known, the line of the
// expression with a caret below it.
func (e *ExpressionError) Error() string {
	var b strings.Builder
	b.WriteString(e.Variable + ": " + e.Message)
	if e.Suggestion != "" {
		fmt.Fprintf(&b, "; did you mean %q?", e.Suggestion)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, " (%d:%d)", e.Line, e.Column)
	}
	b.WriteString(e.Snippet())
	return b.String()
}

// Snippet returns two lines, each after a line break: the line of the
// expression at fault and the caret. It is the whole expression when the
// position is unknown. What may be a secret in it is hidden.
func (e *ExpressionError) Snippet() string {
	lines := strings.Split(hide(e.Source), "\n")
	if e.Line < 1 || e.Line > len(lines) {
		return "\n | " + strings.Join(lines, "\n | ")
	}
	line := strings.ReplaceAll(lines[e.Line-1], "\t", " ")
	return "\n | " + line + "\n | " + strings.Repeat(".", e.Column-1) + "^"
}

// goNames translates the words of expr, which are those of Go.
var goNames = strings.NewReplacer(
	"*mapping.env", "expression", "mapping.env", "expression",
	"*mapping.Call", "call", "mapping.Call", "call",
	"*mapping.User", "user", "mapping.User", "user",
	"*mapping.Org", "org", "mapping.Org", "org",
	"*mapping.eventInfo", "event", "mapping.eventInfo", "event",
	"*mapping.", "", "mapping.", "",
	"*string", "string", "*float64", "number", "float64", "number", "*int", "number",
	"*time.Time", "time", "time.Time", "time",
	"map[string]interface {}", "object", "interface {}", "any",
	`unexpected token Operator("=")`, "a comparison is written ==",
)

// bareWords matches a text that somebody forgot to put in quotes.
var bareWords = regexp.MustCompile(`^\s*[\pL\pN_]+([ -][\pL\pN_]+)*\s*$`)

// newExpressionError describes an error of the compiler.
func newExpressionError(x Expression, err error, r *rewriter) *ExpressionError {
	e := &ExpressionError{Variable: x.Variable, Source: x.Source}
	f, ok := errors.AsType[*file.Error](err)
	if !ok {
		e.Message = goNames.Replace(hideIn(err.Error(), x.Source))
		return e
	}
	e.Line, e.Column = f.Line, f.Column+1
	e.Message = strings.TrimSpace(goNames.Replace(hideIn(f.Message, x.Source)))
	if bareWords.MatchString(x.Source) {
		e.Message += ": a text is written in double quotes"
	}
	if used, ok := r.names[f.Location]; ok && used.of == nil && disabled[used.name] != "" {
		e.Message = used.name + " is not available: " + disabled[used.name]
	} else if ok {
		e.suggest(used, r.object)
	}
	return e
}

// argumentError is an error of one of our functions. It quotes no value.
type argumentError string

func (e argumentError) Error() string { return string(e) }

// runtimeMessage describes an error of a run without quoting values, which
// expr's own messages do.
func runtimeMessage(err error) string {
	message := "a value is missing, or not of the kind that is needed here"
	if own, ok := errors.AsType[argumentError](err); ok {
		message = own.Error()
	} else if t, ok := errors.AsType[*runtime.TypeAssertionError](err); ok {
		if _, kinds, ok := strings.Cut(t.Error(), "interface {} is "); ok {
			message = "a value is " + goNames.Replace(kinds)
		}
	}
	if f, ok := errors.AsType[*file.Error](err); ok && f.Line > 0 {
		message += fmt.Sprintf(" (%d:%d)", f.Line, f.Column+1)
	}
	return message
}
