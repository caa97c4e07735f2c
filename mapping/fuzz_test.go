package mapping

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everyFeature maps each object with expressions that walk through all of it.
var everyFeature = map[string]string{
	"activity.title":    `call.title ?? "Call"`,
	"activity.score":    `scorecard(call)`,
	"activity.html":     `scorecardHTML(call, 300)`,
	"activity.said":     `transcriptHTML(call)`,
	"activity.average":  `averageScore(call)`,
	"activity.millis":   `durationMillis(call)`,
	"activity.personas": `join(map(call.prospects, .name), ", ")`,
	"activity.best":     `max(map(filter(call.analysis, .score != nil), .score))`,
	"activity.all":      `string(raw)`,
	"activity.number":   `int(call.title)`,
	"contact.first":     `firstName(user.name)`,
	"contact.last":      `lastName(user.name, user.email)`,
	"contact.sum":       `user.streak + user.longestStreak`,
	"contact.owner":     `owner(user.email)`,
	"contact.role":      `lower(user.role) == "admin" ? "a" : date(user.status)`,
	"company.name":      `org.name`,
	"company.since":     `isoDate(org.createdAt)`,
	"company.keys":      `keys(raw)`,
	"filter.call":       `call.stats.duration > 10`,
	"filter.user":       `not (user.email endsWith "@example.com")`,
	"filter.org":        `lower(org.status) != "deleted"`,
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/events/*.json")
	if err != nil || len(files) != 6 {
		f.Fatalf("%d examples, %v", len(files), err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	m := mapper(f, everyFeature)
	f.Fuzz(func(t *testing.T, body []byte) {
		checkAgreement(t, body)
		d := Delivery{MessageID: "msg_1", Body: body, ReceivedAt: received}
		ev, err := Decode(d)
		if err != nil {
			if _, ok := errors.AsType[*EndedError](err); !ok {
				t.Fatalf("%T", err)
			}
			checkSilence(t, body, err.Error())
			return
		}
		out := m.Map(ev, Owners{})
		again, _ := Decode(d)
		if diff := cmp.Diff(out, m.Map(again, Owners{})); diff != "" {
			t.Errorf("not deterministic:\n%s", diff)
		}
		said := ev.Warnings
		for _, w := range out.Withheld {
			said = append(said, w.Error)
		}
		checkSilence(t, body, strings.Join(append(said, out.Warnings...), "\n"))
		for _, r := range out.Records {
			checkValues(t, r)
		}
	})
}

// checkValues fails when a record holds what crm.Fields does not allow.
func checkValues(t *testing.T, r Record) {
	t.Helper()
	for name, v := range r.Fields {
		again, err := fieldValue(v)
		if err != nil || !cmp.Equal(again, v) {
			t.Errorf("%s is %#v, %v", name, v, err)
		}
	}
}

// memberPath finds the names of members in our messages.
var memberPath = regexp.MustCompile(`payload\.[\w.\[\]]+`)

// checkSilence fails when a text quotes a value of the event. Short values and
// words of our own messages are no proof.
func checkSilence(t *testing.T, body []byte, text string) {
	t.Helper()
	text = memberPath.ReplaceAllString(text, "")
	var v any
	if text == "" || json.Unmarshal(body, &v) != nil {
		return
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if len(v) >= 12 && strings.Contains(text, v) {
				t.Errorf("%q quotes %q", text, v)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
}

func FuzzCompile(f *testing.F) {
	for _, source := range everyFeature {
		f.Add(source)
	}
	for _, source := range []string{
		"", "user.emial", "now()", "call.analysis[0]", `"`, "1/0", "$env", "let x = 1; x", "user.name ? 1 : 2",
		"call.transcript | filter(.speakerName == nil) | len()", "toPairs(groupBy(call.analysis, .analysisType))",
		"owner(user.email) ?? owner(call.user.email)", "user?.name?.x", "raw[raw]", "{a: 1}.a", "#", "firstName(firstName)",
	} {
		f.Add(source)
	}
	ev, org := decoded(f, example(f, "call.completed")), decoded(f, example(f, "org.deleted"))
	f.Fuzz(func(t *testing.T, source string) {
		m, err := New(config(map[string]string{"activity.f": source, "company.f": source, "filter.call": source}))
		if err != nil {
			if errs, ok := errors.AsType[Errors](err); !ok || len(errs) == 0 || err.Error() == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		for _, ev := range []*Event{ev, org} {
			if diff := cmp.Diff(m.Map(ev, nil), m.Map(ev, nil)); diff != "" {
				t.Errorf("not deterministic:\n%s", diff)
			}
		}
	})
}
