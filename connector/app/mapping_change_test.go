package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmsync/connector"
)

// previewJSON asks the program for a preview.
func (p *connectorProcess) preview(args ...string) connector.Preview {
	p.t.Helper()
	out := p.mustRun(append([]string{"preview", "--json"}, args...)...)
	var v connector.Preview
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		p.t.Fatalf("preview: %v\n%s", err, out)
	}
	return v
}

// actions counts what a preview says of records.
func actions(v connector.Preview) map[string]int {
	n := map[string]int{}
	for _, ev := range v.Events {
		for _, rec := range ev.Records {
			n[rec.Action]++
		}
	}
	return n
}

func (p *connectorProcess) sendDemo(names ...string) {
	p.t.Helper()
	args := []string{"send", "--to", p.url}
	for _, name := range names {
		args = append(args, demoFile(p.t, name))
	}
	p.mustRun(args...)
}

func demoFile(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("demo", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A mapping is changed as a careful person changes it: look at what it would
// do, restart, resync. Nothing is written before that, and nothing twice.
func TestEndToEnd_MappingIsChanged(t *testing.T) {
	crm, url := newCRM(t)
	p := newConnector(t, url)
	empty := dump(crm)

	// Before the first start there is not even a state.
	v := p.preview(demoFile(t, "user.created"), demoFile(t, "call.completed"))
	if got := actions(v); got["created"] == 0 || got["created"] != len(v.Events[0].Records)+len(v.Events[1].Records)-got["stale"] {
		t.Errorf("actions before the first event: %v", got)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "crmsync.db")); !os.IsNotExist(err) {
		t.Errorf("the preview made a state: %v", err)
	}

	p.start()
	p.sendDemo("org.updated", "user.created", "user.updated", "call.completed")
	p.settled(20 * time.Second)
	p.wantBehind("written", map[string]lag{})
	before := dump(crm)
	if slices.Equal(before, empty) {
		t.Fatal("nothing was written")
	}
	if got := actions(p.preview("--last", "4")); got["unchanged"] != 4 || got["stale"] != 1 || got["created"]+got["updated"] > 0 {
		t.Errorf("actions with the same mapping: %v", got)
	}

	running := p.env
	p.env = append(slices.Clone(p.env), `CRMSYNC_MAP_CONTACT_jobtitle=user.role`, `CRMSYNC_MAP_COMPANY_crmsync_status=`)
	v = p.preview("--last", "4")
	var titles []string
	for _, ev := range v.Events {
		for _, rec := range ev.Records {
			for _, c := range rec.Changes {
				if rec.Object != "contact" || c.Field != "jobtitle" || c.Old != "" || rec.Action != "updated" || rec.RemoteID == "" {
					t.Errorf("%s %s %s: %+v", rec.Action, rec.Object, rec.RemoteID, c)
				}
				titles = append(titles, c.New)
			}
		}
	}
	if !slices.Equal(titles, []string{"Sales Rep", "Sales Rep"}) { // of the user, and of the call's user
		t.Errorf("titles: %v", titles)
	}
	text := p.mustRun("preview", "--last", "4")
	for _, part := range []string{"contact d36a91e4-7f0c-4b25-93ad-1c8e5b7f4062: update, CRM record", `(empty)  → "Sales Rep"`, "Nothing was written."} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	if diff := cmp.Diff(before, dump(crm)); diff != "" {
		t.Fatalf("previews wrote: %s", diff)
	}

	p.stop()
	p.wantBehind("changed", map[string]lag{"company": {Records: 1}, "contact": {Records: 2}})
	if _, out := p.run("status"); !strings.Contains(out, "2 contacts were written by another mapping: crmsync resync runs them through today's.") {
		t.Errorf("status: %s", out)
	}
	if out := p.mustRun("resync"); !strings.Contains(out, "1 company was written by another mapping.") || !strings.Contains(out, "3 events queued; the connector is not running") {
		t.Errorf("resync: %s", out)
	}
	p.wantBehind("queued", map[string]lag{"company": {Records: 1}, "contact": {Records: 2}})
	p.start()
	p.settled(20 * time.Second)
	for _, r := range crm.Records("contacts") {
		if r.Properties["jobtitle"] != "Sales Rep" {
			t.Errorf("contact %s: %v", r.ID, r.Properties)
		}
	}
	p.wantBehind("resynced", map[string]lag{})
	if diff := cmp.Diff(before, dump(crm)); diff != "" {
		t.Errorf("the resync changed more than the mapping: %s", diff)
	}
	sent := crm.Requests()
	p.mustRun("resync", "--object", "contact", "--since", "1d")
	p.settled(20 * time.Second)
	if n := requestsOf(crm, sent); n != 0 {
		t.Errorf("%d requests for records that come out the same", n)
	}
	p.stop()
	p.env = running
}

// A pause by hand stops writing, not acceptance, and a stopped connector can be
// paused and resumed as well.
func TestEndToEnd_PausedByHand(t *testing.T) {
	crm, url := newCRM(t)
	p := newConnector(t, url)
	p.start()
	empty := dump(crm)
	if out := p.mustRun("pause"); !strings.Contains(out, "writing is paused by hand since") {
		t.Errorf("pause: %s", out)
	}
	p.sendDemo("user.created")
	s := p.status()
	if code, out := p.run("status"); code != 1 || !strings.Contains(out, "crmsync resume") {
		t.Errorf("status: exit code %d\n%s", code, out)
	}
	if code, out := p.run("health", "--crm"); code != 1 || !strings.Contains(out, "writing is paused by hand") || !strings.Contains(out, "crmsync resume") || strings.Contains(out, "check") {
		t.Errorf("health --crm: exit code %d\n%s", code, out)
	}
	p.mustRun("health")
	if s.CRM.State != connector.StatePaused || s.Pending != 1 {
		t.Errorf("status %+v", s)
	}
	if out := p.mustRun("explain", "--json", strings.TrimSpace(lastID(p))); !strings.Contains(out, "paused by hand") {
		t.Errorf("explain: %s", out)
	}
	p.stop()
	if s := p.status(); s.CRM.State != connector.StatePaused {
		t.Errorf("status of the stopped connector: %+v", s)
	}
	p.start()
	if s := p.status(); s.CRM.State != connector.StatePaused || s.Pending != 1 {
		t.Errorf("status after a restart: %+v", s)
	}
	if diff := cmp.Diff(empty, dump(crm)); diff != "" {
		t.Errorf("written: %s", diff)
	}
	p.mustRun("resume")
	if s := p.settled(20 * time.Second); s.Applied != 1 || s.CRM.State != connector.StateOK {
		t.Errorf("status %+v", s)
	}
	p.stop()
	p.mustRun("pause")
	if out := p.mustRun("resume"); !strings.Contains(out, "it will write when it starts") {
		t.Errorf("resume: %s", out)
	}
}

func lastID(p *connectorProcess) string {
	p.t.Helper()
	var e struct{ ID string }
	if err := json.Unmarshal([]byte(p.mustRun("events", "--limit", "1", "--json")), &e); err != nil {
		p.t.Fatal(err)
	}
	return e.ID
}

// A dry run says what would be written; without it the same events are.
func TestEndToEnd_DryRun(t *testing.T) {
	crm, url := newCRM(t)
	p := newConnector(t, url)
	running := p.env
	p.env = append(slices.Clone(p.env), "CRMSYNC_DRY_RUN=true")
	empty := dump(crm)
	p.start()
	p.sendDemo("org.updated", "user.created", "call.completed")
	var status struct {
		Pending int
		DryRun  *connector.DryRun `json:"dry_run"`
	}
	p.eventually("the events are played", 20*time.Second, func() bool {
		_, out := p.run("status", "--json")
		if err := json.Unmarshal([]byte(out), &status); err != nil {
			t.Fatal(err)
		}
		return status.DryRun != nil && status.DryRun.Events == 3
	})
	if status.Pending != 3 || status.DryRun.Actions["created"] != 4 {
		t.Errorf("status %+v %+v", status, status.DryRun)
	}
	if out := p.mustRun("status"); !strings.Contains(out, "Dry run: nothing is written") || !strings.Contains(out, "created 4") {
		t.Errorf("status:\n%s", out)
	}
	out := p.mustRun("explain", lastID(p))
	for _, part := range []string{"Dry run: would end applied", "create", `hs_call_status      "COMPLETED"`} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in\n%s", part, out)
		}
	}
	if strings.Contains(out, "waits until") {
		t.Errorf("the organisation's own event is pending, and still:\n%s", out)
	}
	if diff := cmp.Diff(empty, dump(crm)); diff != "" {
		t.Errorf("written: %s", diff)
	}
	p.stop()
	p.env = running
	p.start()
	if s := p.settled(20 * time.Second); s.Applied != 3 {
		t.Errorf("status %+v", s)
	}
}
