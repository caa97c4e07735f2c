package app

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
)

// cookbook is the chapter of the README with that name.
type cookbook struct {
	events  map[string]*mapping.Event // by file name
	bodies  map[string]string         // likewise
	owners  mapping.Owners
	recipes []recipe
}

// recipe is a part of an environment file and the table of what it gives.
type recipe struct {
	title string // the last heading before it
	env   string
	table [][]string // cells by row, the names of the events first
}

var (
	cookbookPart  = regexp.MustCompile("(?ms)^#### (.*?)$|^```ini\n(.*?)^```\n(?:\n((?:^\\|[^\n]*\n)+))?")
	cookbookEvent = regexp.MustCompile("(?ms)^`(\\w+\\.json)`[^\n]*\n\n```json\n(.*?)^```$")
	cookbookOwner = regexp.MustCompile("(\\d+) for `([^`]+@[^`]+)`")
)

func readCookbook(t *testing.T) cookbook {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(readme), "\n### Cookbook\n")
	chapter, _, found := strings.Cut(chapter, "\n### ")
	if !found {
		t.Fatal("README.md has no cookbook")
	}
	c := cookbook{events: map[string]*mapping.Event{}, bodies: map[string]string{}, owners: mapping.Owners{}}
	for _, m := range cookbookEvent.FindAllStringSubmatch(chapter, -1) {
		c.events[m[1]], c.bodies[m[1]] = decodeEvent(t, m[2]), m[2]
	}
	for _, m := range cookbookOwner.FindAllStringSubmatch(chapter, -1) {
		c.owners[m[2]] = m[1]
	}
	title := ""
	for _, m := range cookbookPart.FindAllStringSubmatch(chapter, -1) {
		if m[1] != "" {
			title = m[1]
			continue
		}
		c.recipes = append(c.recipes, recipe{title, m[2], tableCells(m[3])})
	}
	return c
}

func decodeEvent(t *testing.T, body string) *mapping.Event {
	t.Helper()
	received := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	ev, err := mapping.Decode(mapping.Delivery{ID: "evt-1", MessageID: "msg-1", Body: []byte(body), ReceivedAt: received})
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return ev
}

// tableCells returns the cells of a Markdown table without the line below its
// head.
func tableCells(table string) [][]string {
	var rows [][]string
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// TestCookbook_GivesWhatItSays maps the events of the cookbook by each of its
// recipes, loaded from the environment as a person would, and compares every
// cell of its table.
func TestCookbook_GivesWhatItSays(t *testing.T) {
	book := readCookbook(t)
	if len(book.recipes) < 15 || len(book.events) != 2 || len(book.owners) != 2 {
		t.Fatalf("read %d recipes, %d events and %d owners", len(book.recipes), len(book.events), len(book.owners))
	}
	for i, r := range book.recipes {
		t.Run(fmt.Sprintf("%d %s", i, r.title), func(t *testing.T) {
			m := r.mapper(t)
			if len(r.table) < 2 {
				t.Fatalf("has no table of what it gives")
			}
			for column, name := range r.table[0] {
				if name == "" {
					continue
				}
				ev := book.events[strings.Trim(name, "`")]
				if ev == nil {
					t.Fatalf("there is no event %s", name)
				}
				out := m.Map(ev, book.owners)
				if len(out.Withheld) > 0 {
					t.Errorf("%s: withheld %+v", name, out.Withheld)
				}
				for _, row := range r.table[1:] {
					if later.MatchString(row[0]) {
						continue
					}
					if got := cellOf(t, row[0], out); got != row[column] {
						t.Errorf("%s, %s: got %s, README says %s", name, row[0], got, row[column])
					}
				}
			}
		})
	}
}

// TestCookbook_TakesEventsThatSayNothing maps events that have nothing but an
// id: no expression may fail, and so withhold a field, for what is absent.
func TestCookbook_TakesEventsThatSayNothing(t *testing.T) {
	const event = `{"type": %q, "timestamp": "2026-11-18T15:42:09Z", "payload": {%q: {"id": "id-1"}}}`
	events := []*mapping.Event{
		decodeEvent(t, fmt.Sprintf(event, "call.completed", "call")),
		decodeEvent(t, fmt.Sprintf(event, "user.updated", "user")),
		decodeEvent(t, fmt.Sprintf(event, "user.deleted", "user")),
	}
	for i, r := range readCookbook(t).recipes {
		t.Run(fmt.Sprintf("%d %s", i, r.title), func(t *testing.T) {
			m := r.mapper(t)
			for _, ev := range events {
				if out := m.Map(ev, mapping.Owners{}); len(out.Withheld) > 0 {
					t.Errorf("%s: withheld %+v", ev.Type, out.Withheld)
				}
			}
		})
	}
}

// mapper loads the recipe into the environment and finds nothing wrong with it.
func (r recipe) mapper(t *testing.T) *mapping.Mapper {
	t.Helper()
	t.Setenv("CRMSYNC_CRM", "sandbox")
	t.Setenv("CRMSYNC_WEBHOOK_SECRETS", testSecret)
	for line := range strings.Lines(r.env) {
		variable, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			t.Fatalf("%q is no line of an environment file", line)
		}
		t.Setenv(variable, value)
	}
	cfg, found := checkConfig()
	if len(found) > 0 {
		t.Fatalf("check finds %+v", found)
	}
	m, err := mapping.New(cfg.Mapping)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// cellOf says what became of the subject of a row, as its table does.
func cellOf(t *testing.T, subject string, out mapping.Mapped) string {
	t.Helper()
	if subject == "the call" {
		if out.Skip != "" {
			return "skipped: `" + out.Skip + "`"
		}
		return "written"
	}
	object, field, ok := strings.Cut(subject, " ")
	if !ok {
		t.Fatalf("row %q is about no field", subject)
	}
	for _, record := range out.Records {
		if record.Object != crm.Object(object) {
			continue
		}
		switch value, given := record.Fields[strings.Trim(field, "`")]; {
		case !given:
			return "left alone"
		case value == "":
			return "cleared"
		default:
			return fmt.Sprintf("`%v`", value)
		}
	}
	return "no " + object
}
