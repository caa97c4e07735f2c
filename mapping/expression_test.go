package mapping

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestExpressions checks what expressions give for the example call, and that
// what is absent is nil: for the same call without its optional members.
func TestExpressions(t *testing.T) {
	full := decoded(t, example(t, "call.completed"))
	bare := decoded(t, []byte(`{"id":"e","type":"call.completed","timestamp":"2026-11-18T15:42:09Z","payload":{"call":{"id":"c"}}}`))
	tests := []struct {
		source string
		full   any
		bare   any
	}{
		{`user.name`, "Jonas Weber", nil},
		{`call.user.name`, "Jonas Weber", nil},
		{`user["name"]`, "Jonas Weber", nil},
		{`user.name ?? user.email ?? ""`, "Jonas Weber", ""},
		{`call.stats.duration`, 431.5, nil},
		{`call.stats.duration * 2 > 800`, true, failed},
		{`(call.stats.duration ?? 0) > 800`, false, false},
		{`user == nil`, false, true},
		{`call.stats != nil`, true, false},
		{`user.role == "Sales Rep"`, true, false},
		{`user.role != "Sales Rep"`, false, true},
		{`lower(user.role) == "sales rep"`, true, false},
		{`user.orgId == call.orgId`, true, true},
		{`user.role in ["Sales Rep", "Admin"]`, true, false},
		{`user.name contains "Web"`, true, false},
		{`user.email matches "@brightsales[.]example$"`, true, false},
		{`user.streak`, 4.0, nil},
		{`len(user.name)`, int64(11), nil},
		{`org.name`, nil, nil},
		{`deleted`, false, false},
		{`event.messageId`, "msg_1", "msg_1"},
		{`event.id + " " + event.type`, "evt_1 call.completed", "evt_1 call.completed"},
		{`call.createdAt`, time.Date(2026, 11, 18, 15, 34, 38, 2117940, time.UTC), nil},
		{`call.createdAt.Year()`, int64(2026), failed},
		{`call.createdAt.Month()`, int64(11), failed},
		{`call.createdAt.Weekday().String()`, "Wednesday", failed},
		{`call.createdAt > date("2026-01-01")`, true, failed},

		{`call.analysis[0].score`, 7.4, nil},
		{`call.analysis[-1].score`, 5.0, nil},
		{`call.analysis[9].score`, nil, nil},
		{`first(call.analysis).score`, 7.4, nil},
		{`last(call.analysis)?.score`, 5.0, nil},
		{`find(call.analysis, .analysisType == "MEDDIC").score`, 5.0, nil},
		{`find(call.analysis, .analysisType == "BANT").score`, nil, nil},
		{`max(map(call.analysis, .score))`, 7.4, nil},
		{`mean(map(call.analysis, .score))`, 6.2, nil},
		{`sum(call.analysis, .score)`, 12.4, nil},
		{`sortBy(call.analysis, .score)[0].analysisType`, "MEDDIC", nil},
		{`filter(call.analysis, .score > 6)[0].analysisType`, "general", nil},
		{`count(call.analysis, .score > 6)`, int64(1), nil},
		{`any(call.analysis, .score > 6)`, true, false},
		{`all(call.analysis, .score > 6)`, false, true},
		{`one(call.analysis, .score > 6)`, true, false},
		{`none(call.analysis, .score > 6)`, false, true},
		{`reduce(call.analysis, #acc + .score, 0)`, 12.4, nil},
		{`call.analysis[0].actionItems`, []string{"Send a one-page case study", "Propose two dates for a demo"}, nil},
		{`call.analysis[1].competitors`, []string{}, nil},
		{`join(call.analysis[0].salesStrengths, "; ")`, "Active listening; Clear agenda", nil},
		{`join(map(call.prospects, .name), ", ")`, "Marta Lindqvist", nil},
		{`call.prospects[0].details.jobTitle`, "Head of Operations", nil},
		{`uniq(map(call.transcript, .speakerName))`, []string{"Jonas Weber", "Marta Lindqvist"}, nil},
		{`map(call.analysis, let s = .score; s * 2)`, []string{"14.8", "10"}, nil},
		{`[user.name, nil, 3, true]`, []string{"Jonas Weber", "3", "true"}, []string{"3", "true"}},
		{`toPairs(groupBy(call.analysis, .analysisType))[0][0]`, "MEDDIC", nil},
		{`string(user.streak)`, "4", nil},
		{`string(call.stats)`, `{"duration":431.5}`, nil},
		{`string(call.stats.duration)`, "431.5", nil},
		{`toJSON(user.streak)`, "4", "null"},
		{`trim("--x--", "-")`, "x", "x"},
		{`let n = user.name; n ?? "nobody"`, "Jonas Weber", "nobody"},

		{`firstName(user.name)`, "Jonas", nil},
		{`lastName(user.name)`, "Weber", nil},
		{`lastName(user.name, user.email)`, "Weber", nil},
		{`user.name | lower() | truncate(5)`, "jonas", nil},
		{`averageScore(call)`, 6.2, nil},
		{`durationMillis(call)`, int64(431500), nil},
		{`durationSeconds(call)`, int64(432), nil},
		{`unixMillis(call.createdAt)`, int64(1795016078002), nil},
		{`unixMillis(raw.call.createdAt)`, int64(1795016078002), nil},
		{`unixMillis(raw.call.title)`, failed, nil},
		{`isoTime(call.createdAt)`, "2026-11-18T15:34:38.002Z", nil},
		{`isoDate(event.timestamp)`, "2026-11-18", "2026-11-18"},
		{`scorecard(nil)`, nil, nil},
		{`firstName(nil) ?? "x"`, "x", "x"},
		{`scorecard(raw.call)`, failed, failed},

		{`1/0`, failed, failed},
		{`0/0`, failed, failed},
		{`raw.call`, failed, failed},
		{`raw.call.prospects`, failed, nil},
		{`int("12a")`, failed, failed},
		{`repeat("x", 100000000)`, failed, failed},
		{`"a\u0000b\r\nc\td\u007f\u0085"`, "ab\nc\td", "ab\nc\td"},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			for ev, want := range map[*Event]any{full: tt.full, bare: tt.bare} {
				got, withheld := evaluate(t, ev, tt.source)
				if want == failed {
					if len(withheld) != 1 || got != nil {
						t.Errorf("got %#v, want an error", got)
					}
				} else if len(withheld) != 0 || !cmp.Equal(got, want) {
					t.Errorf("got %#v %v, want %#v", got, withheld, want)
				}
			}
		})
	}
}

// failed stands for an expression that fails at run time.
const failed = failure("fails")

type failure string

func TestNames(t *testing.T) {
	ev := decoded(t, example(t, "org.updated"))
	for _, tt := range []struct{ name, first, last string }{
		{`"Ana Maria Ruiz"`, "Ana Maria", "Ruiz"},
		{`"  Ana\t Maria \n Ruiz "`, "Ana Maria", "Ruiz"},
		{`"Ruiz"`, "", "Ruiz"},
		{`"Åsa Öberg"`, "Åsa", "Öberg"},
		{`""`, "", "(unknown)"},
		{`" "`, "", "(unknown)"},
		{`"\u0000"`, "", "(unknown)"},
		{`"asa.oberg@x.example"`, "", "asa.oberg"},
		{`"@"`, "", "@"},
	} {
		first, _ := evaluate(t, ev, "firstName("+tt.name+")")
		last, _ := evaluate(t, ev, "lastName("+tt.name+")")
		if first != tt.first || last != tt.last {
			t.Errorf("%s: got %q, %q, want %q, %q", tt.name, first, last, tt.first, tt.last)
		}
	}
	for source, want := range map[string]any{
		`lastName("", "asa@x.example")`:    "asa",
		`lastName(nil, "asa@x.example")`:   "asa",
		`lastName("", nil)`:                "(unknown)",
		`lastName(nil, nil)`:               nil,
		`lastName("Öberg", "a@x.example")`: "Öberg",
	} {
		if got, withheld := evaluate(t, ev, source); got != want || len(withheld) > 0 {
			t.Errorf("%s: got %v %v, want %v", source, got, withheld, want)
		}
	}
}

func TestTruncate(t *testing.T) {
	ev := decoded(t, example(t, "org.updated"))
	for source, want := range map[string]any{
		`truncate("äöü", 2)`:  "äö",
		`truncate("äöü", 3)`:  "äöü",
		`truncate("äöü", 99)`: "äöü",
		`truncate("äöü", 0)`:  "",
		`truncate("👍🏽", 1)`:   "👍",
		`truncate("", 5)`:     "",
		`truncate("x", -1)`:   nil,
	} {
		if got, _ := evaluate(t, ev, source); got != want {
			t.Errorf("%s: got %v, want %v", source, got, want)
		}
	}
}

func TestDurations(t *testing.T) {
	for _, tt := range []struct {
		unit     time.Duration
		duration any
		millis   any
		seconds  any
	}{
		{0, 90.4, int64(90400), int64(90)},
		{time.Second, 0, int64(0), int64(0)},
		{time.Millisecond, 90400, int64(90400), int64(90)},
		{time.Minute, 1.5, int64(90000), int64(90)},
		{time.Second, "90", int64(90000), int64(90)},
		{time.Second, -1, nil, nil},
		{time.Second, 1e300, nil, nil},
		{time.Second, nil, nil, nil},
	} {
		ev := decoded(t, edited(t, "call.completed", change{"payload.call.stats.duration", tt.duration}))
		c := config(map[string]string{"activity.ms": "durationMillis(call)", "activity.s": "durationSeconds(call)"})
		c.DurationUnit = tt.unit
		m, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		fields := m.Map(ev, nil).Records[0].Fields
		if fields["ms"] != tt.millis || fields["s"] != tt.seconds {
			t.Errorf("%v × %v: got %v, want %v and %v", tt.duration, tt.unit, fields, tt.millis, tt.seconds)
		}
	}
}

func TestTimeZone(t *testing.T) {
	zone, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	c := config(map[string]string{"company.date": "isoDate(event.timestamp)", "company.time": "isoTime(event.timestamp)",
		"company.berlin": `event.timestamp.In(timezone("Europe/Berlin")).Format("15:04")`})
	c.TimeZone = zone
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	out := m.Map(decoded(t, edited(t, "org.updated", change{"timestamp", "2026-11-18T12:30:00"})), nil)
	want := map[string]any{"date": "2026-11-19", "time": "2026-11-18T12:30:00.000Z", "berlin": "13:30"}
	if got := map[string]any(out.Records[0].Fields); !cmp.Equal(got, want) {
		t.Errorf("got %v %v, want %v", got, out.Withheld, want)
	}
}

func TestSortedBuiltins(t *testing.T) {
	object := map[string]any{}
	for _, c := range "qwertzuiopasdfghjklyxcvbnm" {
		object[string(c)] = strings.ToUpper(string(c))
	}
	ev := decoded(t, edited(t, "org.updated", change{"payload.org.more", object}))
	want := "abcdefghijklmnopqrstuvwxyz"
	for source, want := range map[string]string{
		`join(keys(raw.org.more))`:                      want,
		`join(values(raw.org.more))`:                    strings.ToUpper(want),
		`join(map(toPairs(raw.org.more), #[0] + #[1]))`: "aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ",
	} {
		if got, withheld := evaluate(t, ev, source); got != want {
			t.Errorf("%s: got %v %v", source, got, withheld)
		}
	}
}
