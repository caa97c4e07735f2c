package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"crmsync/crm"
)

// maxSource is the size of an expression in bytes.
const maxSource = 32 << 10

// env holds the variables of an expression.
type env struct {
	Event   eventInfo      `expr:"event" json:"event"`
	Call    *Call          `expr:"call" json:"call"`
	User    *User          `expr:"user" json:"user"`
	Org     *Org           `expr:"org" json:"org"`
	Deleted bool           `expr:"deleted" json:"deleted"`
	Raw     map[string]any `expr:"raw" json:"raw"`

	// Owner is a variable because it depends on the table at hand, unlike the
	// functions that are compiled in.
	Owner func(email any) (any, error) `expr:"owner" json:"-"`
}

// ownerFunction is the name of env.Owner in expressions.
const ownerFunction = "owner"

// rawVariable is the name of env.Raw.
const rawVariable = "raw"

// eventInfo is the variable event.
type eventInfo struct {
	ID        string    `expr:"id" json:"id"`
	Type      string    `expr:"type" json:"type"`
	Timestamp time.Time `expr:"timestamp" json:"timestamp"`
	MessageID string    `expr:"messageId" json:"messageId"`
}

// disabled are built-ins, and methods of times, that would make a record depend
// on more than its event or change the event, and why they are off.
var disabled = map[string]string{
	"now":   "the same event must always give the same record",
	"Local": "the same event must give the same record on every machine; use In(timezone(…))",

	"GobDecode":       readOnly,
	"UnmarshalBinary": readOnly,
	"UnmarshalJSON":   readOnly,
	"UnmarshalText":   readOnly,
}

const readOnly = "an expression cannot change its event"

// program is a compiled expression.
type program struct {
	Expression
	vm        *vm.Program
	usesOwner bool
	usesRaw   bool
	whole     *vm.Program // the same with nothing cut; nil when nothing can be
}

// compiler compiles expressions with one set of options.
type compiler struct {
	options []expr.Option
	whole   []expr.Option // the same with functions that cut nothing
}

func newCompiler(f functions) compiler {
	c := compiler{options: optionsOf(f)}
	f.whole = true
	c.whole = optionsOf(f)
	return c
}

func optionsOf(f functions) []expr.Option {
	options := append(f.options(), declareValueFunction(), expr.Env(env{}))
	for name := range disabled {
		options = append(options, expr.DisableBuiltin(name))
	}
	return options
}

// compile compiles x, which must yield a bool when filter is set, else a value
// that a CRM field can hold.
// The expression is about an object, "" for any.
func (c compiler) compile(x Expression, o crm.Object) (p *program, failure *ExpressionError) {
	r := newRewriter(o)
	if len(x.Source) > maxSource {
		return nil, newExpressionError(x, fmt.Errorf("the expression is longer than %d bytes", maxSource), r)
	}
	defer func() {
		// The compiler is not ours, and the source comes from outside.
		if v := recover(); v != nil {
			failure = newExpressionError(x, fmt.Errorf("the expression cannot be compiled"), r)
		}
	}()
	compiled, err := expr.Compile(x.Source, append(slices.Clone(c.options), expr.Patch(r))...)
	if err != nil {
		return nil, newExpressionError(x, err, r)
	}
	p = &program{Expression: x, vm: compiled, usesOwner: r.usesOwner, usesRaw: r.usesRaw}
	if r.cuts {
		again := newRewriter(o)
		p.whole, err = expr.Compile(x.Source, append(slices.Clone(c.whole), expr.Patch(again))...)
		if err != nil {
			return nil, newExpressionError(x, err, again)
		}
	}
	return p, nil
}

// Unwrapped reports whether a source is an expression once the quotes around it
// are taken away, as an env file leaves them there.
func Unwrapped(source string) bool {
	if len(source) < 3 || source[0] != source[len(source)-1] || !strings.ContainsRune("\"'", rune(source[0])) {
		return false
	}
	_, failure := newCompiler(functions{unit: time.Second, zone: time.UTC}).compile(Expression{Source: source[1 : len(source)-1]}, "")
	return failure == nil
}

// field compiles the expression of a CRM field.
func (c compiler) field(o crm.Object, field string, x Expression) (*program, *ExpressionError) {
	p, failure := c.compile(x, o)
	if failure == nil {
		failure = unwritableError(p, o)
	}
	if failure != nil {
		failure.Object, failure.Field = o, field
		if !strings.HasSuffix(x.Variable, "_"+field) { // one variable, or a file, for many fields
			failure.Message = fmt.Sprintf("%s field %q: %s", o, field, failure.Message)
		}
		return nil, failure
	}
	return p, nil
}

// kindName is what people call a type.
func kindName(t reflect.Type) string {
	switch {
	case t == timeType:
		return "time"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "object"
	}
	return t.Kind().String()
}

// unwritableError says that no field can hold what p gives, nil when one may.
func unwritableError(p *program, o crm.Object) *ExpressionError {
	t := p.vm.Node().Type()
	what := unwritable(t)
	if what == "" {
		return nil
	}
	message := "gives " + what + ", which no CRM field can hold"
	if what != aFunction {
		message += ": choose a member of it"
	}
	e := newExpressionError(p.Expression, errors.New(message), newRewriter(o))
	if name, ok := p.vm.Node().(*ast.IdentifierNode); ok && what == aFunction {
		e.Suggestion = pathTo(variables(o), name.Value)
	} else if what == anObject {
		e.Names = members(t)
	}
	return e
}

// filter compiles a condition about events of a kind.
func (c compiler) filter(x Expression, k Kind) (*program, *ExpressionError) {
	p, failure := c.compile(x, k.object())
	if failure == nil {
		if _, isNil := p.vm.Node().(*ast.NilNode); isNil {
			failure = newExpressionError(x, errors.New("is always nil, but a filter must be true or false"), newRewriter(k.object()))
		} else if t := indirect(p.vm.Node().Type()); t != nil && t.Kind() != reflect.Bool && t.Kind() != reflect.Interface {
			failure = newExpressionError(x, fmt.Errorf("gives a %s, but a filter must be true or false", kindName(t)), newRewriter(k.object()))
		}
	}
	return p, failure
}

// What no field can hold.
const (
	aFunction = "a function"
	anObject  = "an object"
)

// unwritable says what a type is that no field can hold, "" for the others and
// for what is only known at run time.
func unwritable(t reflect.Type) string {
	t = indirect(t)
	if t == nil || t == timeType {
		return ""
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return anObject
	case reflect.Func:
		return aFunction
	case reflect.Slice:
		if e := indirect(t.Elem()); e.Kind() == reflect.Struct && e != timeType {
			return "a list of objects"
		}
	}
	if t == reflect.TypeFor[time.Duration]() {
		return "a duration"
	}
	return ""
}
