package mapping

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
)

const (
	callID = "c1f7b0a2-94de-4f0b-8a37-51d2e6f8b914"
	repID  = "84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d71"
	lenaID = "d36a91e4-7f0c-4b25-93ad-1c8e5b7f4062"
	orgID  = "e7a4d1c9-3b52-4f6e-a0d8-2c9b7f5e1a60"
)

func TestDecode_Examples(t *testing.T) {
	tests := []struct {
		file  string
		kind  Kind
		verb  Verb
		at    string
		lanes []Lane
	}{
		{"call.completed", KindCall, Completed, "2026-11-18T15:42:09.318204511Z", []Lane{{crm.Activity, callID}, {crm.Contact, repID}}},
		{"user.created", KindUser, Created, "2026-11-02T07:58:13.640027385Z", []Lane{{crm.Contact, lenaID}}},
		{"user.updated", KindUser, Updated, "2026-11-04T10:21:40.009415662Z", []Lane{{crm.Contact, lenaID}}},
		{"user.deleted", KindUser, Deleted, "2026-11-12T16:05:27.883150097Z", []Lane{{crm.Contact, lenaID}}},
		{"org.updated", KindOrg, Updated, "2026-10-21T11:30:05.412Z", []Lane{{crm.Company, orgID}}},
		{"org.deleted", KindOrg, Deleted, "2026-11-14T18:44:59.127Z", []Lane{{crm.Company, orgID}}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			ev := decoded(t, example(t, tt.file))
			if ev.Kind != tt.kind || ev.Verb != tt.verb || ev.Key != tt.lanes[0].Key {
				t.Errorf("got %s %s %s, want %s %s %s", ev.Kind, ev.Verb, ev.Key, tt.kind, tt.verb, tt.lanes[0].Key)
			}
			if got := ev.Timestamp.Format(time.RFC3339Nano); got != tt.at {
				t.Errorf("timestamp %s, want %s", got, tt.at)
			}
			if diff := cmp.Diff(tt.lanes, ev.Lanes); diff != "" {
				t.Error(diff)
			}
			if len(ev.Warnings) != 0 {
				t.Errorf("warnings: %q", ev.Warnings)
			}
			if ev.ID != "evt_1" || ev.MessageID != "msg_1" || ev.Type != tt.file {
				t.Errorf("got %s %s %s", ev.ID, ev.MessageID, ev.Type)
			}
		})
	}
}

func TestDecode_FallsBackToEnvelopeIDThenMessageID(t *testing.T) {
	body := example(t, "user.created")
	ev, err := Decode(Delivery{MessageID: "msg_1", Body: body})
	if err != nil || ev.ID != "9a3d5f7c-2b41-4e88-a6d0-c15e7f90b234" {
		t.Errorf("got %v, %v", ev, err)
	}
	body = edited(t, "user.created", change{"id", "has a space"})
	if ev, err = Decode(Delivery{MessageID: "msg_1", Body: body}); err != nil || ev.ID != "msg_1" {
		t.Errorf("got %v, %v", ev, err)
	}
}

func TestDecode_Ended(t *testing.T) {
	call := func(changes ...change) []byte { return edited(t, "call.completed", changes...) }
	user := func(changes ...change) []byte { return edited(t, "user.updated", changes...) }
	org := func(changes ...change) []byte { return edited(t, "org.updated", changes...) }
	tests := []struct {
		name   string
		body   []byte
		status string
		reason string
	}{
		{"empty", nil, "dead", "bad_payload"},
		{"not JSON", []byte("hello"), "dead", "bad_payload"},
		{"cut short", example(t, "user.created")[:100], "dead", "bad_payload"},
		{"two values", append(bytes.Clone(example(t, "user.created")), "{}"...), "dead", "bad_payload"},
		{"null", []byte("null"), "dead", "bad_payload"},
		{"a number", []byte("12"), "dead", "bad_payload"},
		{"array of a batch", []byte(`[{"type":"user.created"}]`), "dead", "bad_payload"},
		{"object of a batch", []byte(`{"data":[{"type":"user.created"}],"done":true}`), "dead", "bad_payload"},
		{"no type", user(change{"type", absent{}}), "dead", "bad_payload"},
		{"type is no string", user(change{"type", 7}), "dead", "bad_payload"},
		{"nested too deep", []byte(`{"type":"user.created","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}"), "dead", "bad_payload"},
		{"nested absurdly deep", []byte(strings.Repeat("[", 1<<20)), "dead", "bad_payload"},
		{"unknown type", user(change{"type", "team.created"}), "skipped", "unsupported_type"},
		{"unknown type without payload", []byte(`{"type":"x"}`), "skipped", "unsupported_type"},
		{"placeholder before unknown type", call(change{"type", "string"}), "skipped", "test_event"},
		{"unknown type before key", user(change{"type", "team.created"}, change{"payload", nil}), "skipped", "unsupported_type"},
		{"no payload", user(change{"payload", absent{}}), "dead", "bad_key"},
		{"payload of another kind", user(change{"type", "org.updated"}), "dead", "bad_key"},
		{"payload is no object", user(change{"payload", "x"}), "dead", "bad_key"},
		{"user is no object", user(change{"payload.user", "x"}), "dead", "bad_key"},
		{"no key", user(change{"payload.user.id", absent{}}), "dead", "bad_key"},
		{"null key", user(change{"payload.user.id", nil}), "dead", "bad_key"},
		{"empty key", user(change{"payload.user.id", ""}), "dead", "bad_key"},
		{"number as key", user(change{"payload.user.id", 12}), "dead", "bad_key"},
		{"key of 129 bytes", user(change{"payload.user.id", strings.Repeat("k", 129)}), "dead", "bad_key"},
		{"key before timestamp", user(change{"payload.user.id", ""}, change{"timestamp", ""}), "dead", "bad_key"},
		{"no timestamp", user(change{"timestamp", absent{}}), "dead", "bad_timestamp"},
		{"timestamp is a number", user(change{"timestamp", 1795016529}), "dead", "bad_timestamp"},
		{"timestamp is no time", user(change{"timestamp", "yesterday"}), "dead", "bad_timestamp"},
		{"timestamp of the year 1", user(change{"timestamp", "0001-01-01T00:00:00Z"}), "dead", "bad_timestamp"},
		{"timestamp in 2099", user(change{"timestamp", "2099-01-01T00:00:00Z"}), "dead", "bad_timestamp"},
		{"timestamp 24 h and 1 ns ahead", user(change{"timestamp", "2026-11-21T12:00:00.000000001Z"}), "dead", "bad_timestamp"},

		{"org with a placeholder name", org(change{"payload.org.name", "some string"}), "skipped", "test_event"},
		{"org with a placeholder status", org(change{"payload.org.status", "some string"}), "skipped", "test_event"},
		{"org with a placeholder image", org(change{"payload.org.image", "some string"}), "skipped", "test_event"},
		{"published event id", org(change{"id", "c9a3901c-09c6-45bf-a664-f0bd887d684d"}), "skipped", "test_event"},
		{"published org id", org(change{"payload.org.id", "1f066d4b-1e7c-4836-8ea0-6ddcd6703995"}), "skipped", "test_event"},
		{"user with two placeholders", user(change{"payload.user.role", "string"}, change{"payload.user.image", "uri"}), "skipped", "test_event"},
		{"user with placeholder e-mail, name and status", user(change{"payload.user.email", "email"}, change{"payload.user.name", "string"}, change{"payload.user.status", "string"}), "skipped", "test_event"},
		{"call with placeholder title and role", call(change{"payload.call.title", "string"}, change{"payload.call.user.role", "string"}), "skipped", "test_event"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := Decode(Delivery{MessageID: "msg_1", Body: tt.body, ReceivedAt: received})
			ended, ok := errors.AsType[*EndedError](err)
			if !ok || ev != nil {
				t.Fatalf("got %v, %v, want an EndedError", ev, err)
			}
			if ended.Status != tt.status || ended.Reason != tt.reason || ended.Detail == "" {
				t.Errorf("got %+v, want %s %s", ended, tt.status, tt.reason)
			}
		})
	}
}

// Only a time that nobody can read, or that freezes its record, ends an event.
func TestDecode_AnyTimeOfThePastIsAVersion(t *testing.T) {
	for _, tt := range []struct{ sent, at, detail string }{
		{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", ""},
		{"1969-12-31T23:59:59.999999999", "1969-12-31T23:59:59.999999999Z", ""},
		{"1970-01-01T00:30:00+01:00", "1969-12-31T23:30:00Z", ""},
		{"1678-01-01T00:00:00Z", "1678-01-01T00:00:00Z", ""},
		{"1677-12-31T23:59:59Z", "", "timestamp is not in the years 1678 to 2261"},
		{"0001-01-01T00:00:00Z", "", "timestamp is not in the years 1678 to 2261"},
		{"9999-01-01T00:00:00Z", "", "timestamp is not in the years 1678 to 2261"},
		{"1970-13-01T00:00:00Z", "", "timestamp is not a time such as 2026-03-02T09:14:55.120Z"},
		{"2261-01-01T00:00:00Z", "", "timestamp is more than 24 hours after receipt: check the clocks of sender and receiver"},
	} {
		body := edited(t, "user.updated", change{"timestamp", tt.sent})
		checkAgreement(t, body)
		ev, err := Decode(Delivery{MessageID: "msg_1", Body: body, ReceivedAt: received})
		if ended, bad := errors.AsType[*EndedError](err); bad {
			if ended.Reason != "bad_timestamp" || ended.Detail != tt.detail {
				t.Errorf("%s: got %+v, want %q", tt.sent, ended, tt.detail)
			}
			continue
		}
		if got := ev.Timestamp.Format(time.RFC3339Nano); got != tt.at {
			t.Errorf("%s: got %s, want %q", tt.sent, got, tt.at)
		}
	}
}

func TestDecode_Accepted(t *testing.T) {
	user := func(changes ...change) []byte { return edited(t, "user.updated", changes...) }
	tests := []struct {
		name string
		body []byte
	}{
		{"a person called String", user(change{"payload.user.name", "string"}, change{"payload.user.email", "string"})},
		{"a role called string", user(change{"payload.user.role", "string"})},
		{"type in another case", user(change{"type", "User.Updated"})},
		{"no id", user(change{"id", absent{}})},
		{"key of 128 bytes", user(change{"payload.user.id", strings.Repeat("k", 128)})},
		{"timestamp 24 h ahead", user(change{"timestamp", "2026-11-21T12:00:00Z"})},
		{"timestamp with an offset", user(change{"timestamp", "2026-11-20T12:00:00+02:00"})},
		{"org beside the user", user(change{"payload.org", map[string]any{"id": "o"}})},
		{"nested 100 levels deep", []byte(`{"type":"user.created","timestamp":"2026-11-20T12:00:00","payload":{"user":{"id":"k","x":` +
			strings.Repeat("[", 97) + strings.Repeat("]", 97) + "}}}")},
		{"brackets in a text", user(change{"payload.user.name", strings.Repeat(`[\"{`, 200)})},
		{"invalid UTF-8 in a text", bytes.Replace(example(t, "user.updated"), []byte("Lena"), []byte("L\xffna"), 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { decoded(t, tt.body) })
	}
}

func TestDecode_WrongMembersAreNilAndNamed(t *testing.T) {
	tests := []struct {
		path    string
		value   any
		warning string // "" for none
		source  string // expression
		want    any
	}{
		{"payload.call.title", 42, "payload.call.title is not a string", "call.title", nil},
		{"payload.call.title", nil, "", "call.title", nil},
		{"payload.call.title", "", "", "call.title", ""},
		{"payload.call.stats", []any{}, "payload.call.stats is not an object", "call.stats.duration", nil},
		{"payload.call.stats.duration", "12.5", "", "call.stats.duration", 12.5},
		{"payload.call.stats.duration", 0, "", "call.stats.duration", 0.0},
		{"payload.call.stats.duration", "NaN", "payload.call.stats.duration is not a number", "call.stats.duration", nil},
		{"payload.call.stats.duration", "0x10", "payload.call.stats.duration is not a number", "call.stats.duration", nil},
		{"payload.call.stats.duration", true, "payload.call.stats.duration is not a number", "call.stats.duration", nil},
		{"payload.call.createdAt", "today", "payload.call.createdAt is not a time", "call.createdAt", nil},
		{"payload.call.createdAt", 17, "payload.call.createdAt is not a time", "call.createdAt", nil},
		{"payload.call.prospectIds", "one", "", "call.prospectIds", []string{"one"}},
		{"payload.call.prospectIds", []any{"a", nil, 3.5, map[string]any{"b": "<"}, true}, "", "call.prospectIds", []string{"a", "3.5", `{"b":"<"}`, "true"}},
		{"payload.call.prospectIds", 3, "payload.call.prospectIds is not an array", "call.prospectIds", nil},
		{"payload.call.prospectIds", []any{}, "", "call.prospectIds", []string{}},
		{"payload.call.analysis", "none", "payload.call.analysis is not an array", "call.analysis[0].score", nil},
		{"payload.call.analysis", []any{7, map[string]any{"score": 3}}, "payload.call.analysis[0] is not an object", "call.analysis[0].score", 3.0},
		{"payload.call.user.email", "nobody", "payload.call.user.email is not an e-mail address", "user.email", nil},
		{"payload.call.user.email", "jonas@localhost", "payload.call.user.email is not an e-mail address", "user.email", nil},
		{"payload.call.user.email", "Jonas <jonas@x.example>", "", "user.email", "jonas@x.example"},
		{"payload.call.user", "Jonas", "payload.call.user is not an object", "user == nil", true},
		{"payload.call.userId", "another", "payload.call.userId differs from the id of the call's user, which is used", "user.id", repID},
	}
	for _, tt := range tests {
		t.Run(tt.path+" "+tt.source, func(t *testing.T) {
			ev := decoded(t, edited(t, "call.completed", change{tt.path, tt.value}))
			if got := strings.Join(ev.Warnings, "; "); got != tt.warning {
				t.Errorf("warnings %q, want %q", got, tt.warning)
			}
			got, withheld := evaluate(t, ev, tt.source)
			if diff := cmp.Diff(tt.want, got); diff != "" || len(withheld) != 0 {
				t.Error(diff, withheld)
			}
		})
	}
}

func TestValidEmail(t *testing.T) {
	for address, want := range map[string]string{
		"a@x.example":               "a@x.example",
		"  A.b+c@X.Example ":        "A.b+c@X.Example",
		`"Doe, Jane" <j@x.example>`: "j@x.example",
		"ö@münchen.example":         "ö@münchen.example",
		"a@x":                       "",
		"a@.example":                "",
		"a@x.":                      "",
		"a@b@x.example":             "",
		`"a b"@x.example`:           "",
		`"a@b"@x.example`:           "",
		"@x.example":                "",
		"email":                     "",
		"":                          "",
		"a@x.example, b@x.example":  "",
	} {
		if got, ok := validEmail(address); ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q %t, want %q", address, got, ok, want)
		}
	}
}

func TestDecode_WarningsAreBounded(t *testing.T) {
	body := edited(t, "call.completed", change{"payload.call.transcript", make([]int, 1000)})
	ev := decoded(t, body)
	if n := len(ev.Warnings); n != maxWarnings+1 || ev.Warnings[maxWarnings] != "and 980 more" {
		t.Errorf("got %d warnings, the last %q", n, ev.Warnings[n-1])
	}
}

func TestDecode_CallUser(t *testing.T) {
	beside := map[string]any{"id": "beside", "email": "beside@x.example"}
	tests := []struct {
		name    string
		changes []change
		want    any // user.id
		lanes   int
	}{
		{"inside the call", []change{{"payload.user", beside}}, repID, 2},
		{"beside the call", []change{{"payload.call.user", absent{}}, {"payload.user", beside}}, "beside", 2},
		{"null inside the call", []change{{"payload.call.user", nil}, {"payload.user", beside}}, "beside", 2},
		{"without id", []change{{"payload.call.user.id", absent{}}, {"payload.user", beside}}, nil, 1},
		{"with a bad id", []change{{"payload.call.user.id", strings.Repeat("k", 129)}}, strings.Repeat("k", 129), 1},
		{"nowhere", []change{{"payload.call.user", absent{}}}, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := decoded(t, edited(t, "call.completed", tt.changes...))
			if len(ev.Lanes) != tt.lanes {
				t.Errorf("lanes %v, want %d", ev.Lanes, tt.lanes)
			}
			for _, source := range []string{"user.id", "call.user.id"} {
				if got, _ := evaluate(t, ev, source); got != tt.want {
					t.Errorf("%s is %v, want %v", source, got, tt.want)
				}
			}
		})
	}
}

func TestDecode_Raw(t *testing.T) {
	body := []byte(`{"type":"org.updated","timestamp":"2026-11-18T00:00:00Z","payload":{"new":{"list":[1,2.0]},
		"org":{"id":"o","n":9007199254740992,"big":9007199254740993,"half":0.5,"neg":-3,"exp":1e3,"huge":1e999,"nul":"a\u0000b"}}}`)
	ev := decoded(t, body)
	for source, want := range map[string]any{
		"raw.org.n":              int64(9007199254740992),
		"raw.org.big":            float64(9007199254740992),
		"raw.org.half":           0.5,
		"raw.org.neg * 2":        int64(-6),
		"raw.org.exp":            1000.0,
		"raw.org.huge":           nil,
		"raw.org.nul":            "ab",
		"raw.payload.org.id":     "o",
		"raw.new.list[0]":        int64(1),
		"raw.new.list[1] == 2":   true,
		"raw.new.list[2]":        nil,
		"raw.absent.list[2].x.y": nil,
		"raw.type":               "org.updated",
	} {
		if got, withheld := evaluate(t, ev, source); !cmp.Equal(got, want) || len(withheld) != 0 {
			t.Errorf("%s is %#v %v, want %#v", source, got, withheld, want)
		}
	}
	if want := []string{"raw holds a number that is out of range"}; !cmp.Equal(ev.Warnings, want) {
		t.Errorf("warnings %q, want %q", ev.Warnings, want)
	}
}
