package app_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm/sandbox"
)

// lag is how an object lags behind the mapping.
type lag struct {
	Records    int
	OutOfReach int `json:"out_of_reach"`
}

// behind returns what the status says of records of another mapping; nil when
// it does not know.
func (p *connectorProcess) behind() map[string]lag {
	p.t.Helper()
	_, out := p.run("status", "--json")
	var v struct{ Behind map[string]lag }
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		p.t.Fatalf("status: %v\n%s", err, out)
	}
	return v.Behind
}

func (p *connectorProcess) wantBehind(when string, want map[string]lag) {
	p.t.Helper()
	if got := p.behind(); (got == nil) != (want == nil) || !maps.Equal(got, want) {
		p.t.Errorf("%s: behind %v, want %v", when, got, want)
	}
}

// A resync that is killed goes on: in the end every record is as today's mapping
// wants it, and nothing more was written than that.
func TestI7_KilledWhileResyncing(t *testing.T) {
	t.Parallel()
	deadly := new(trap)
	crm := sandbox.New(sandbox.Options{Token: "pat-end-to-end-secret", Observe: func(e sandbox.Exchange) {
		if e.Status/100 == 2 {
			deadly.passes(e.Op) // it took effect and is not answered yet
		}
	}})
	url, err := crm.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer crm.Close()
	p := newConnector(t, url, "CRMSYNC_BATCH_SIZE=2")
	s := newStream(200)
	p.start()
	p.sendAll(s.shuffled())
	p.settled(time.Minute)
	p.wantBehind("written", map[string]lag{})
	before, contacts := dump(crm), len(crm.Records("contacts"))

	p.stop()
	p.env = append(p.env, `CRMSYNC_MAP_CONTACT_jobtitle="Rep: " + user.role`)
	p.wantBehind("remapped", map[string]lag{"contact": {Records: contacts}})
	p.mustRun("resync")
	for range 3 {
		launched := make(chan struct{})
		deadly.kill = func() { <-launched; _ = p.cmd.Process.Kill(); <-p.ended }
		sprung := deadly.set(func(op string) bool { return strings.Contains(op, "contacts/batch") })
		p.launch()
		close(launched)
		select {
		case <-sprung:
		case <-time.After(patience):
			t.Fatalf("nothing was written\n%s", p.log)
		}
		if p.behind()["contact"].Records == 0 {
			t.Error("a record that was not settled is not behind")
		}
	}
	p.start()
	p.settled(time.Minute)
	p.wantBehind("resynced", map[string]lag{})
	for _, r := range crm.Records("contacts") {
		if r.Properties["jobtitle"] != "Rep: Sales Rep" {
			t.Errorf("contact %s: %v", r.ID, r.Properties)
		}
	}
	if diff := cmp.Diff(before, dump(crm)); diff != "" {
		t.Errorf("the resync changed more than the mapping: %s", diff)
	}
	sent := crm.Requests()
	p.mustRun("resync")
	p.settled(time.Minute)
	if n := requestsOf(crm, sent); n != 0 {
		t.Errorf("%d requests of a second resync", n)
	}
	p.stop()
	p.mustRun("state", "verify")
}

// Records whose payload is gone are counted apart, before and after.
func TestEndToEnd_RecordsOutOfReach(t *testing.T) {
	_, url := newCRM(t)
	p := newConnector(t, url)
	p.start()
	p.sendDemo("org.updated", "user.created", "user.updated", "call.completed")
	p.settled(20 * time.Second)
	p.stop()

	configured := p.env
	p.env = slices.DeleteFunc(slices.Clone(p.env), func(v string) bool { return strings.HasPrefix(v, "CRMSYNC_CRM=") })
	p.wantBehind("without a configuration", nil)
	p.env = append(slices.Clone(configured), "CRMSYNC_MAP_CONTACT_jobtitle=user.role", "CRMSYNC_PAYLOAD_RETENTION=0")
	p.wantBehind("remapped", map[string]lag{"contact": {Records: 2}})
	p.mustRun("state", "prune")
	p.wantBehind("pruned", map[string]lag{"contact": {Records: 2, OutOfReach: 2}})

	const line = "2 contacts were written by another mapping; out of reach, as the payload is gone: 2."
	if _, out := p.run("status"); !strings.Contains(out, line) {
		t.Errorf("status:\n%s", out)
	}
	if out := p.mustRun("resync", "--object", "contact"); !strings.HasPrefix(out, line) || !strings.Contains(out, "0 events queued") {
		t.Errorf("resync:\n%s", out)
	}
	var answer struct{ Behind map[string]lag }
	if out := p.mustRun("resync", "--object", "company", "--json"); json.Unmarshal([]byte(out), &answer) != nil || answer.Behind == nil || len(answer.Behind) > 0 {
		t.Errorf("resync of companies: %s", out)
	}

	p.start()
	p.mustRun("send", "--to", p.url, "--new-id", demoFile(t, "user.updated")) // the next event about one of them
	p.settled(20 * time.Second)
	p.wantBehind("after an event", map[string]lag{"contact": {Records: 1, OutOfReach: 1}})
	p.stop()
}
