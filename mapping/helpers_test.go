package mapping

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"crmsync/crm"
)

// received is shortly after every example event.
var received = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// example returns the body of testdata/events/<name>.json.
func example(tb testing.TB, name string) []byte {
	tb.Helper()
	body, err := os.ReadFile("testdata/events/" + name + ".json")
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// change is an edit of a body: a dotted path and its new value, absent to
// remove the member.
type change struct {
	path  string
	value any
}

type absent struct{}

// edited returns an example with changes.
func edited(tb testing.TB, name string, changes ...change) []byte {
	tb.Helper()
	var tree map[string]any
	if err := json.Unmarshal(example(tb, name), &tree); err != nil {
		tb.Fatal(err)
	}
	for _, c := range changes {
		names := strings.Split(c.path, ".")
		parent := tree
		for _, n := range names[:len(names)-1] {
			parent = parent[n].(map[string]any)
		}
		last := names[len(names)-1]
		if _, remove := c.value.(absent); remove {
			delete(parent, last)
		} else {
			parent[last] = c.value
		}
	}
	body, err := json.Marshal(tree)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// decoded returns the event of a body.
func decoded(tb testing.TB, body []byte) *Event {
	tb.Helper()
	ev, err := Decode(Delivery{ID: "evt_1", MessageID: "msg_1", Body: body, ReceivedAt: received})
	if err != nil {
		tb.Fatalf("Decode: %v", err)
	}
	return ev
}

// mapper returns a Mapper; sources map "object.field" or "filter.kind" to an
// expression. Objects without a field are on, without fields, unless off.
func mapper(tb testing.TB, sources map[string]string, off ...crm.Object) *Mapper {
	tb.Helper()
	m, err := New(config(sources, off...))
	if err != nil {
		tb.Fatalf("New: %v", err)
	}
	return m
}

func config(sources map[string]string, off ...crm.Object) Config {
	c := Config{Fields: map[crm.Object]map[string]Expression{}, Filters: map[Kind]Expression{}}
	for _, o := range crm.Objects() {
		c.Fields[o] = map[string]Expression{}
	}
	for name, source := range sources {
		object, field, _ := strings.Cut(name, ".")
		x := Expression{Source: source, Variable: "CRMSYNC_MAP_" + strings.ToUpper(object) + "_" + field}
		if object == "filter" {
			x.Variable = "CRMSYNC_FILTER_" + strings.ToUpper(field)
			c.Filters[Kind(field)] = x
			continue
		}
		c.Fields[crm.Object(object)][field] = x
	}
	for _, o := range off {
		delete(c.Fields, o)
	}
	return c
}

// evaluate returns what an expression gives for the field of an activity or,
// for other events, of their own object.
func evaluate(tb testing.TB, ev *Event, source string) (any, []Withheld) {
	tb.Helper()
	field := string(ev.Kind.object()) + ".f"
	out := mapper(tb, map[string]string{field: source}).Map(ev, nil)
	if len(out.Records) == 0 {
		tb.Fatalf("no record: %+v", out)
	}
	return out.Records[0].Fields["f"], out.Withheld
}

func sortedNames(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
