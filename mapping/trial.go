package mapping

import (
	"reflect"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"crmsync/crm"
)

// Trial is what can be known of the expression of a field before the first
// event: what it may give by its text, and what it gives for samples.
type Trial struct {
	Expression
	// Constants are the values that are written out in the expression and may be
	// its result: a string, int64, float64, bool or []string.
	Constants []any
	Uses      []string // variables that it reads, such as call
	Texts     []string // that are written out anywhere in the expression, names of members among them
	Nil       bool     // nil is written out as a result
	Raw       bool     // it reads raw, which holds more than the samples know
	Owner     bool     // it looks up an owner
	// Quoted says that the whole expression is a text that would itself be a
	// working expression.
	Quoted   bool
	Outcomes []Outcome // one for each sample

	declared map[string]ast.Node // by let
}

// Outcome is what an expression gives for one sample.
type Outcome struct {
	Sample
	Value any    // as in crm.Fields; nil for none
	Error string // why it failed, "" when it did not; quotes no value
}

// Trials tries the expressions of an object on samples, by CRM field.
func (m *Mapper) Trials(o crm.Object) map[string]Trial {
	trials := map[string]Trial{}
	if m.Off(o) {
		return trials
	}
	samples := samplesOf(o)
	for _, f := range m.objects[o].fields {
		t := Trial{Expression: f.Expression, Raw: f.usesRaw, Owner: f.usesOwner}
		t.read()
		for _, s := range samples {
			v, err := newRun(m, s.event, sampleOwners()).evaluate(f.vm)
			outcome := Outcome{Sample: s.Sample, Value: v}
			if err != nil {
				outcome.Error = runtimeMessage(err)
			}
			t.Outcomes = append(t.Outcomes, outcome)
		}
		trials[f.name] = t
	}
	return trials
}

// read notes what the text of the expression tells.
func (t *Trial) read() {
	tree, err := parser.Parse(t.Source)
	if err != nil {
		return
	}
	t.declared = map[string]ast.Node{}
	t.readResults(tree.Node)
	t.Quoted = isQuoted(tree.Node)
	words := &wordFinder{}
	ast.Walk(&tree.Node, words)
	t.Texts, t.Uses = words.texts, words.names
}

// Variables are the names of what an expression can read, functions apart.
func Variables() []string { return members(reflect.TypeFor[env]()) }

// FilterTrials tries the filter of the events from which an object is made, if
// there is one.
func (m *Mapper) FilterTrials(o crm.Object) []Trial {
	var trials []Trial
	for kind, p := range m.filters {
		if kind.object() != o {
			continue
		}
		t := Trial{Expression: p.Expression, Raw: p.usesRaw, Owner: p.usesOwner}
		t.read()
		for _, s := range samplesOf(o) {
			r := newRun(m, s.event, sampleOwners())
			passes := r.passes(kind)
			t.Outcomes = append(t.Outcomes, Outcome{Sample: s.Sample, Value: passes, Error: r.out.Verdicts[0].Error})
		}
		trials = append(trials, t)
	}
	return trials
}

// SampleDuration is how long the call lasts that is the first sample of
// activities.
func (m *Mapper) SampleDuration() time.Duration {
	return time.Duration(*sampleCall().Call.Stats.Duration * float64(m.unit))
}

// Marks reports whether the record of something that was deleted differs from
// the one that was there before.
func (m *Mapper) Marks(o crm.Object) bool {
	for name, t := range m.Trials(o) {
		if p := m.objects[o].policies[name]; p == OnCreate || p == IfEmpty {
			continue // what the record got when it was made stays
		}
		before, after := t.Outcomes[0], t.Outcomes[len(t.Outcomes)-1]
		if !reflect.DeepEqual(before.Value, after.Value) {
			return true
		}
	}
	return false
}

// readResults notes the values below node that may be its result.
func (t *Trial) readResults(node ast.Node) {
	switch n := node.(type) {
	case *ast.ConditionalNode:
		t.readResults(n.Exp1)
		t.readResults(n.Exp2)
	case *ast.BinaryNode:
		if n.Operator == "??" {
			t.readResults(n.Left)
			t.readResults(n.Right)
		}
	case *ast.VariableDeclaratorNode:
		t.declared[n.Name] = n.Value
		t.readResults(n.Expr)
	case *ast.IdentifierNode:
		if value, ok := t.declared[n.Value]; ok {
			delete(t.declared, n.Value) // it may name itself
			t.readResults(value)
		}
	case *ast.MemberNode:
		t.readChoices(n.Node)
	case *ast.ChainNode:
		t.readResults(n.Node)
	case *ast.SequenceNode:
		t.readResults(n.Nodes[len(n.Nodes)-1])
	case *ast.NilNode:
		t.Nil = true
	default:
		if v, err := fieldValue(constant(node)); err == nil && v != nil {
			t.Constants = append(t.Constants, v)
		}
	}
}

// readChoices notes the values of a map from which one is chosen.
func (t *Trial) readChoices(from ast.Node) {
	switch n := from.(type) {
	case *ast.MapNode:
		for _, pair := range n.Pairs {
			if p, ok := pair.(*ast.PairNode); ok {
				t.readResults(p.Value)
			}
		}
	case *ast.ArrayNode:
		for _, item := range n.Nodes {
			t.readResults(item)
		}
	case *ast.IdentifierNode:
		if value, ok := t.declared[n.Value]; ok {
			t.readChoices(value)
		}
	}
}

// constant returns the value that a node is written out as, nil for none.
func constant(node ast.Node) any {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.IntegerNode:
		return n.Value
	case *ast.FloatNode:
		return n.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.UnaryNode:
		return negative(n)
	case *ast.ArrayNode:
		list := []string{}
		for _, item := range n.Nodes {
			text, ok := item.(*ast.StringNode)
			if !ok {
				return nil
			}
			list = append(list, text.Value)
		}
		return list
	}
	return nil
}

func negative(n *ast.UnaryNode) any {
	if n.Operator != "-" {
		return nil
	}
	switch v := constant(n.Node).(type) {
	case int:
		return -v
	case float64:
		return -v
	}
	return nil
}

// isQuoted reports whether node is a text that reads a member of an event or
// calls a function: an expression that was put in quotes.
func isQuoted(node ast.Node) bool {
	text, ok := node.(*ast.StringNode)
	if !ok {
		return false
	}
	p, failure := newCompiler(functions{unit: time.Second, zone: time.UTC}).compile(Expression{Source: text.Value}, "")
	if failure != nil {
		return false
	}
	tree, err := parser.Parse(p.Source)
	if err != nil {
		return false
	}
	if name, ok := tree.Node.(*ast.IdentifierNode); ok {
		return name.Value == "deleted" // the only variable that is a value by itself
	}
	w := &workFinder{}
	ast.Walk(&tree.Node, w)
	return w.found
}

// wordFinder collects the texts and the names of an expression.
type wordFinder struct{ texts, names []string }

// Visit is called for every node.
func (w *wordFinder) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.StringNode:
		w.texts = append(w.texts, n.Value)
	case *ast.IdentifierNode:
		w.names = append(w.names, n.Value)
	}
}

// workFinder looks for the parts that make a text an expression, and not a word
// that happens to be the name of a variable.
type workFinder struct{ found bool }

// Visit is called for every node.
func (w *workFinder) Visit(node *ast.Node) {
	switch (*node).(type) {
	case *ast.MemberNode, *ast.CallNode, *ast.BuiltinNode:
		w.found = true
	}
}
