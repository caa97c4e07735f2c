package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crmsync/crm/sandbox"
)

// A preview answers what a person asks before a mapping goes live: what changes,
// what a colleague's edit keeps from changing, what is cut, who will own it.
func TestEndToEnd_PreviewTellsWhatAPersonAsks(t *testing.T) {
	t.Parallel() // they wait more than they work
	crm, url := newCRM(t)
	crm.SetOwners([]sandbox.Owner{{ID: "77", Email: "lead@sales.example"}})
	p := newConnector(t, url,
		"CRMSYNC_POLICY_CONTACT_jobtitle=if_unchanged", "CRMSYNC_MAP_CONTACT_jobtitle=user.role",
		"CRMSYNC_MAP_ACTIVITY_crmsync_transcript=truncate(transcript(call), 20)", "CRMSYNC_DEFAULT_OWNER=77")
	p.start()
	p.sendDemo("org.updated", "user.created")
	p.settled(20 * time.Second)
	for _, r := range crm.Records("contacts") {
		crm.EditRecord("contacts", r.ID, map[string]string{"jobtitle": "Chief"})
	}
	crm.AddRecord("contacts", map[string]string{"email": "jonas.weber@brightsales.example", "lastname": "Weber", "jobtitle": "Boss"})
	twin := filepath.Join(p.dir, "twin.json")
	body := `{"id":"evt-twin","type":"user.updated","timestamp":"2025-12-01T00:00:00","payload":{"user":{"id":"u-twin","name":"Twin","email":"lena.okafor@brightsales.example"}}}`
	changed := filepath.Join(p.dir, "changed.json")
	lena := `{"id":"evt-lena","type":"user.updated","timestamp":"2025-12-01T00:00:00","payload":{"user":{"id":"d36a91e4-7f0c-4b25-93ad-1c8e5b7f4062","email":"lena.okafor@brightsales.example","name":"Lena Braun","role":"Coach"}}}`
	for name, text := range map[string]string{twin: body, changed: lena} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writes := crm.Writes()
	text := p.mustRun("preview", changed, demoFile(t, "call.completed"), twin)
	if crm.Writes() != writes {
		t.Error("the preview wrote")
	}
	for _, part := range []string{
		`"Chief"`, `stays: a person wrote it (if_unchanged); the event says "Coach"`, `"Boss"`, `stays: a person wrote it (if_unchanged); the event says "Sales Rep"`,
		"→ (cleared)", `→ "Braun"`, "adopt (a person had created it)", "cut to 20 of 268 characters",
		`"77", the default owner: nobody has the address jonas.weber@brightsales.example`,
		"without email, which another record of ours holds (email_withheld)", "remove link to company", "link to contact",
		"3 events, ", " to the CRM; records: 1 adopted, 2 created, 1 updated; 2 values of the CRM kept. Nothing was written.",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}

// A user who was archived comes back: the links of earlier calls are made again,
// and the preview tells so beforehand.
func TestEndToEnd_PreviewOfARecordThatComesBack(t *testing.T) {
	t.Parallel() // it waits more than it works
	crm, url := newCRM(t)
	p := newConnector(t, url, "CRMSYNC_USER_DELETED=archive")
	p.start()
	user := `{"id":"u1","name":"Lena","email":"lena@sales.example"}`
	event := func(id, kind, at, payload string) string {
		return fmt.Sprintf(`{"id":%q,"type":%q,"timestamp":"2026-11-01T0%s:00:00","payload":%s}`, id, kind, at, payload)
	}
	for i, body := range []string{
		event("e1", "user.created", "1", `{"user":`+user+`}`),
		event("e2", "call.completed", "2", `{"call":{"id":"c1","title":"Call","user":`+user+`}}`),
		event("e3", "user.deleted", "3", `{"user":`+user+`}`),
	} {
		p.sendAll([]delivery{{id: fmt.Sprint("msg_", i), body: body, secret: endToEndSecrets[0], family: "svix"}})
		p.settled(20 * time.Second)
	}
	back := event("e4", "user.updated", "4", `{"user":`+user+`}`)
	file := filepath.Join(p.dir, "back.json")
	if err := os.WriteFile(file, []byte(back), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := p.mustRun("preview", file); !strings.Contains(text, "Other records that would change as well:\n  activity c1: update") || !strings.Contains(text, "link to contact u1") {
		t.Errorf("the preview tells\n%s", text)
	}
	p.sendAll([]delivery{{id: "msg_4", body: back, secret: endToEndSecrets[0], family: "svix"}})
	p.settled(20 * time.Second)
	p.eventually("the link is made again", 20*time.Second, func() bool {
		return slices.ContainsFunc(dump(crm), func(r string) bool { return strings.HasPrefix(r, "activity c1") && strings.HasSuffix(r, "-> u1") })
	})
}

// Who waits for an address gets it when it comes free, and the preview tells so
// beforehand: of a running connector and of a stopped one.
func TestEndToEnd_PreviewOfWhoWaits(t *testing.T) {
	t.Parallel() // it waits more than it works
	crm, url := newCRM(t)
	p := newConnector(t, url)
	p.start()
	user := func(id, verb, at, key, email string) string {
		return fmt.Sprintf(`{"id":%q,"type":"user.%s","timestamp":"2026-11-01T0%s:00:00","payload":{"user":{"id":%q,"name":"Lena","email":%q}}}`, id, verb, at, key, email)
	}
	for i, body := range []string{user("e1", "created", "1", "u1", "lena@sales.example"), user("e2", "created", "2", "u2", "lena@sales.example")} {
		p.sendAll([]delivery{{id: fmt.Sprint("msg_", i), body: body, secret: endToEndSecrets[0], family: "svix"}})
		p.settled(20 * time.Second)
	}
	gives := user("e3", "updated", "3", "u1", "other@sales.example")
	file := filepath.Join(p.dir, "gives.json")
	if err := os.WriteFile(file, []byte(gives), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"running", "stopped"} {
		text := p.mustRun("preview", file)
		for _, part := range []string{"Other records that would change as well:\n  contact u2: update", `→ "lena@sales.example"`, "1 event, 2 requests"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is not in\n%s", state, part, text)
			}
		}
		if state == "running" {
			p.stop()
		}
	}
	p.start()
	p.sendAll([]delivery{{id: "msg_3", body: gives, secret: endToEndSecrets[0], family: "svix"}})
	p.eventually("u2 has the address", 20*time.Second, func() bool {
		return slices.ContainsFunc(crm.Records("contacts"), func(r sandbox.Record) bool {
			return r.Properties["crmsync_id"] == "u2" && r.Properties["email"] == "lena@sales.example"
		})
	})
}
