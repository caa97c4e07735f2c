package app

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"crmsync/crm"
	"crmsync/crm/sandbox"
)

// later is a row of the cookbook about what a field holds after something else
// has happened.
var later = regexp.MustCompile("^(\\w+) `(\\w+)`, once (the role is|somebody wrote) `([^`]*)`$")

// The rows of the cookbook about people who edit come true in a CRM.
func TestCookbook_ComesTrueOnceSomebodyEdits(t *testing.T) {
	book, rows := readCookbook(t), 0
	for _, r := range book.recipes {
		for _, row := range r.table {
			m := later.FindStringSubmatch(row[0])
			if m == nil {
				continue
			}
			for column, name := range r.table[0][1:] {
				rows++
				t.Run(row[0]+" "+name, func(t *testing.T) {
					body := book.bodies[strings.Trim(name, "`")]
					if got, want := r.edited(t, body, crm.Object(m[1]), m[2], m[3], m[4]), strings.Trim(row[column+1], "`"); got != want {
						t.Errorf("got %q, README says %q", got, want)
					}
				})
			}
		}
	}
	if rows < 8 {
		t.Errorf("only %d cells", rows)
	}
}

// edited delivers an event, lets the thing happen, delivers the event once more
// as a newer one, and returns what a field of the CRM holds then.
func (r recipe) edited(t *testing.T, body string, object crm.Object, field, what, value string) string {
	w := newPolicyWorld(t, r.env)
	w.say(body)
	newer := strings.Replace(body, `"timestamp": "2026-11-1`, `"timestamp": "2026-11-2`, 1) // ten days later
	if what == "the role is" {
		newer = regexp.MustCompile(`"role": "[^"]*"`).ReplaceAllString(newer, `"role": "`+value+`"`)
	} else {
		w.edit(object, field, value)
	}
	w.say(newer)
	return w.value(object, field)
}

// policyWorld is a foretold world for events of the README.
type policyWorld struct{ *foretold }

func newPolicyWorld(t *testing.T, env string) policyWorld {
	for line := range strings.Lines(env) {
		variable, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		t.Setenv(variable, value)
	}
	w := newForetold(t, 0)
	w.server.SetOwners([]sandbox.Owner{{ID: "101", Email: "jonas@sales.example"}, {ID: "102", Email: "lena@sales.example"}, {ID: "301", Email: "lead@sales.example"}})
	return policyWorld{w}
}

// say delivers an event, which is given an id of its own.
func (w policyWorld) say(body string) {
	w.sent++
	w.keep([]byte(fmt.Sprintf(`{"id": "evt-%d", `, w.sent) + strings.TrimSpace(body)[1:]))
	w.round()
}

func (w policyWorld) edit(object crm.Object, field, value string) {
	name := objectNames[string(object)]
	id := w.server.Records(name)[0].ID
	w.server.EditRecord(name, id, map[string]string{field: ""}) // a stage goes back only so
	w.server.EditRecord(name, id, map[string]string{field: value})
}

func (w policyWorld) value(object crm.Object, field string) string {
	return w.server.Records(objectNames[string(object)])[0].Properties[field]
}

// The table of who wins a field says what a CRM then holds.
func TestReadme_SaysWhoWins(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(readme), "\n### Who wins a field\n")
	start := strings.Index(chapter, "| example |")
	end := strings.Index(chapter, "\n\nWith `if_unchanged`")
	if start < 0 || end < start {
		t.Fatal("README.md has no table of who wins a field")
	}
	rows := tableCells(chapter[start:end])[1:]
	if len(rows) != 7 {
		t.Fatalf("read %d rows", len(rows))
	}
	example := ""
	for _, row := range rows {
		if row[0] != "" {
			example = row[0]
		}
		t.Run(example+", "+row[1], func(t *testing.T) { whoWins(t, example, row[1], row[2], row[3]) })
	}
}

func whoWins(t *testing.T, example, holds, says, then string) {
	quoted := func(cell string) string {
		if m := regexp.MustCompile("`([^`]*)`").FindStringSubmatch(cell); m != nil {
			return m[1]
		}
		return ""
	}
	env := ""
	if strings.HasPrefix(example, "`CRMSYNC_") {
		env = quoted(example)
	}
	w := newPolicyWorld(t, env)
	user := `{"type": "user.updated", "timestamp": "2026-11-%d0T00:00:00Z", "payload": {"user": {"id": "u", "name": "Lena", "role": %s}}}`
	role := func(text string) string {
		if text == "" {
			return "null"
		}
		return `"` + text + `"`
	}
	before := quoted(holds)
	switch {
	case holds == "no such contact":
	case strings.Contains(holds, "by a person"):
		w.say(fmt.Sprintf(user, 1, role("Sales Rep")))
		w.edit(crm.Contact, "jobtitle", before)
	case holds == "a contact, whatever it holds":
		before = "Sales Rep"
		fallthrough
	default:
		w.say(fmt.Sprintf(user, 1, role(before)))
	}
	w.say(fmt.Sprintf(user, 2, role(quoted(says))))
	want := quoted(then)
	if then == "what it held" {
		want = before
	}
	if got := w.value(crm.Contact, "jobtitle"); got != want {
		t.Errorf("the CRM holds %q, README says %q", got, want)
	}
}
