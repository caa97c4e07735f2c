package connector

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
)

func TestScrub(t *testing.T) {
	fields := crm.Fields{
		"email": "Jonas.Weber@sales.example", "name": "Jonas Weber", "lastname": "Weber", "role": "rep",
		"deleted": false, "tags": []string{"Night shift", "x"}, "score": 12345.5,
		"title": `Zoë "Z" O'Neill`, "script": "Hello Mr Mustermann, please call 0172 5550 1234 at once, thank you.",
	}
	for _, tt := range []struct{ name, message, want string }{
		{"a value", `Property "name" was "Jonas Weber"`, `Property "name" was "‹name›"`},
		{"in another case", "JONAS WEBER is taken", "‹name› is taken"},
		{"the longest first", "Jonas Weber, Weber", "‹name›, ‹lastname›"},
		{"a list's member", "night SHIFT is no option", "‹tags› is no option"},
		{"a number", "12345.5 is too large", "‹score› is too large"},
		{"short values stay", "rep is no option", "rep is no option"},
		{"booleans stay", `"isValid":false`, `"isValid":false`},
		{"an address that is not mapped", "held by <mia@x.example>, ok", "held by <‹email›>, ok"},
		{"a letter whose case changes its length", "İstanbul Jonas Weber", "İstanbul ‹name›"},
		{"escaped for JSON", `{"v":"Zoë \"Z\" O'Neill"}`, `{"v":"‹title›"}`},
		{"escaped for JSON in ASCII", `was Zo\u00eb \"Z\" O'Neill`, `was ‹title›`},
		{"escaped for HTML", `was Zoë &#34;Z&#34; O&#39;Neill`, `was ‹title›`},
		{"escaped for a query", `v=Zo%C3%AB+%22Z%22+O%27Neill&x`, `v=‹title›&x`},
		{"escaped for a path", `/Zo%C3%AB%20%22Z%22%20O%27Neill/`, `/‹title›/`},
		{"cut off", `"Hello Mr Muster…" is too long`, `"‹script›…" is too long`},
		{"the middle of it", `near "please call 0172 5550 1234 at once"`, `near "‹script›"`},
		{"an address with an escaped @", `held by mia%40x.example`, `held by ‹email›`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := scrub(tt.message, fields); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// What repeats itself is looked for once: a CRM must not keep us busy.
func TestScrub_ofTextsThatRepeatThemselves(t *testing.T) {
	message, value := strings.Repeat("a", 4<<10), strings.Repeat("a", 1<<20)
	if got := scrub(message, crm.Fields{"f": value}); got != "‹f›" {
		t.Errorf("got %.40q", got)
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("Jonas Weber is taken", "Jonas Weber")
	f.Add("İ", "İİ")
	f.Fuzz(func(t *testing.T, message, value string) {
		got := scrub(message, crm.Fields{"f": value})
		if len(value) >= scrubLeast && strings.Contains(got, value) && !strings.Contains("‹f›‹email›", value) &&
			!strings.ContainsAny(value, "‹›@") && !strings.Contains(value, "email") {
			t.Errorf("%q is left in %q", value, got)
		}
	})
}

// What a CRM answers to reads outside of a round, such as that of the schema or of
// the owners, is shown by status and in the log without addresses.
func TestTrip_ShowsNoAddresses(t *testing.T) {
	for _, op := range []string{"ping", "describe contact", "owners"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				var failing atomic.Bool
				w.crm.before = func(asked string, _ []string) error {
					if failing.Load() && asked == op || failing.Load() && op == "ping" {
						return &crm.Error{Kind: crm.Unauthorized, Status: 401, Message: "the key of jonas@sales.example has expired"}
					}
					return nil
				}
				failing.Store(true)
				stop := w.start()
				defer stop()
				w.accept(callEvent("e1", "c1", "u1", 1, "Call"))
				time.Sleep(time.Hour)
				reason := w.d.CRMState().Reason
				if op != "describe contact" && !strings.Contains(reason, "has expired") {
					t.Errorf("status does not tell: %q", reason)
				}
				if shown := reason + w.log.String(); strings.Contains(shown, "jonas@") {
					t.Errorf("an address is shown:\n%s", shown)
				}
			})
		})
	}
}
