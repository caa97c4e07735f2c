package mapping

import (
	"reflect"
	"strconv"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker/nature"
	"github.com/expr-lang/expr/file"

	"crmsync/crm"
)

// rewriter changes an expression so that what is absent is nil all the way:
//
//   - a member of nil is nil, as if it were written with ?.
//   - an index beyond the end is nil, as if it were written with get()
//   - a built-in is nil when its first argument is
//   - a scalar is dereferenced where it is read, so that lists of scalars
//     (map, sum, max) hold values instead of pointers
//
// Type checking is not weakened: each part of the expression keeps its type.
// On its way the rewriter notes which names occur where, for suggestions.
type rewriter struct {
	object    crm.Object // that the expression is about; "" for any
	names     map[file.Location]usedName
	usesOwner bool
	usesRaw   bool
	cuts      bool // a function may leave some of a text out
	variables int  // declared by the rewriter
}

func newRewriter(o crm.Object) *rewriter {
	return &rewriter{object: o, names: map[file.Location]usedName{}}
}

// usedName is a name in an expression and the type whose member it should be,
// nil for a variable or function.
type usedName struct {
	name string
	of   reflect.Type
}

// Reset and ShouldRepeat make expr run the rewriter right before it checks the
// types. A check in between would mark calls as checked, and mistakes in their
// arguments would pass.
func (r *rewriter) Reset() {}

// ShouldRepeat says that one run is enough.
func (r *rewriter) ShouldRepeat() bool { return false }

// Visit is called for every node, children first.
func (r *rewriter) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		r.names[n.Location()] = usedName{name: n.Value}
		all := n.Value == "$env"
		r.usesOwner = r.usesOwner || all || n.Value == ownerFunction
		r.usesRaw = r.usesRaw || all || n.Value == rawVariable
	case *ast.MemberNode:
		r.member(node, n)
	case *ast.BuiltinNode:
		r.builtin(node, n)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok && cutters[callee.Value] && len(n.Arguments) > 1 {
			r.cuts = true
		}
		// expr takes the nature of a call for granted when it has one, and
		// would not check the arguments after they were rewritten.
		n.SetNature(nature.Nature{})
	}
}

func (r *rewriter) member(node *ast.Node, n *ast.MemberNode) {
	if id, ok := n.Node.(*ast.IdentifierNode); ok && id.Value == "$env" {
		return
	}
	name, isName := n.Property.(*ast.StringNode)
	if isName {
		r.names[n.Location()] = usedName{name.Value, indirect(n.Node.Type())}
	}
	if n.Method {
		if isName && disabled[name.Value] != "" {
			r.names[n.Location()] = usedName{name: name.Value}
			ast.Patch(node, &ast.IdentifierNode{Value: name.Value}) // an unknown name
		}
		return // the callee of a call must stay a MemberNode
	}
	was := *n.Nature()
	if kind := indirect(n.Node.Type()).Kind(); !isName && kind != reflect.Struct && kind != reflect.String {
		replace(node, was, &ast.BuiltinNode{Name: "get", Arguments: []ast.Node{n.Node, n.Property}})
	} else {
		n.Optional = true
		replace(node, was, &ast.ChainNode{Node: n})
	}
	if isScalarPointer((*node).Type()) {
		ast.Patch(node, &ast.CallNode{
			Callee:    &ast.IdentifierNode{Value: valueFunction},
			Arguments: []ast.Node{*node},
		})
	}
}

// whenNil is what built-ins give for nil, where that is not nil.
var whenNil = map[string]bool{"any": false, "one": false, "all": true, "none": true}

// builtin turns f(x, …) into let v = x; v == nil ? nil : f(v, …).
func (r *rewriter) builtin(node *ast.Node, n *ast.BuiltinNode) {
	if n.Name == "get" || n.Name == "type" || n.Name == "toJSON" || len(n.Arguments) == 0 {
		return // they take nil as it is
	}
	was, argument := *n.Nature(), *n.Arguments[0].Nature()
	r.variables++
	// The space keeps it apart from every name that can be written.
	name := "argument " + strconv.Itoa(r.variables)
	read := func() ast.Node {
		v := ast.Node(&ast.IdentifierNode{Value: name})
		v.SetLocation(n.Arguments[0].Location())
		v.SetNature(argument)
		return v
	}
	ifNil := ast.Node(&ast.NilNode{})
	if truth, ok := whenNil[n.Name]; ok {
		ifNil = &ast.BoolNode{Value: truth}
	}
	declared := &ast.VariableDeclaratorNode{Name: name, Value: n.Arguments[0]}
	declared.Expr = &ast.ConditionalNode{
		Cond: &ast.BinaryNode{Operator: "==", Left: read(), Right: &ast.NilNode{}},
		Exp1: ifNil,
		Exp2: n,
	}
	n.Arguments[0] = read()
	replace(node, was, declared)
}

// replace puts another node in the place of one, with the nature that it had:
// parents are visited before types are checked again.
func replace(node *ast.Node, was nature.Nature, by ast.Node) {
	ast.Patch(node, by)
	by.SetNature(was)
}

// valueFunction dereferences a scalar. It is called by rewritten expressions
// only: nobody can write its name. Its result is typed as a pointer, because
// it may be nil, which keeps expr from comparing it as a plain string.
const valueFunction = "value of"

func declareValueFunction() expr.Option {
	return expr.Function(valueFunction,
		func(args ...any) (any, error) { return dereference(args[0]), nil },
		new(func(*string) *string), new(func(*float64) *float64), new(func(*int) *int), new(func(*bool) *bool))
}

// isScalarPointer excludes times, which have methods: expr calls them by their
// position in the method set of the pointer.
func isScalarPointer(t reflect.Type) bool {
	if t == nil || t.Kind() != reflect.Pointer {
		return false
	}
	switch t.Elem().Kind() {
	case reflect.String, reflect.Float64, reflect.Int, reflect.Bool:
		return true
	}
	return false
}

var timeType = reflect.TypeFor[time.Time]()

// indirect returns the type that t points to, t itself when it is no pointer.
func indirect(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
