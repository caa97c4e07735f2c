package app

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"

	"crmsync/connector"
	"crmsync/crm"
	"crmsync/crm/sandbox"
	"crmsync/state"
)

// Whoever previews learns the same as from check when the CRM cannot be read.
func TestPreview_OfACRMThatCannotBeRead(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil    func(*sandbox.Server)
		variable string
		remedy   string
	}{
		"nobody there": {func(*sandbox.Server) {
			os.Setenv("CRMSYNC_HUBSPOT_BASE_URL", "http://127.0.0.1:1") /* useHubSpot restores it */
		}, "HUBSPOT_BASE_URL", "check the address"},
		"an old token":    {func(s *sandbox.Server) { s.SetToken("pat-2") }, "HUBSPOT_TOKEN", "credentials"},
		"not allowed":     {func(s *sandbox.Server) { s.Fault(sandbox.Fault{Status: http.StatusForbidden}) }, "HUBSPOT_TOKEN", "credentials"},
		"too many":        {func(s *sandbox.Server) { s.Fault(sandbox.Fault{Status: http.StatusTooManyRequests}) }, "CRM", "later"},
		"an outage":       {func(s *sandbox.Server) { s.Fault(sandbox.Fault{Status: http.StatusInternalServerError}) }, "HUBSPOT_BASE_URL", "check the address"},
		"another machine": {func(s *sandbox.Server) { s.Fault(sandbox.Fault{Status: http.StatusOK, Body: "<html>"}) }, "HUBSPOT_BASE_URL", "CRMSYNC_HUBSPOT_API_VERSION"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.spoil(useHubSpot(t))
			code, out, errOut := run(t, "preview", "demo/user.created.json")
			if code != exitFailed || out != "" || !strings.HasPrefix(errOut, "error: CRMSYNC_"+tt.variable+": ") || !strings.Contains(errOut, tt.remedy) {
				t.Errorf("exit code %d\n%s%s", code, out, errOut)
			}
		})
	}
}

// What only writing would run into is for check as well.
func TestPreview_OfACRMThatIsNotReady(t *testing.T) {
	useHubSpot(t)
	if code, out, errOut := run(t, "preview", "demo/user.created.json"); code != exitFailed || !strings.Contains(errOut, "crmsync_id") || !strings.Contains(errOut, "crmsync check") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
}

func TestPreview_TakesOneEventOrMore(t *testing.T) {
	for _, n := range []string{"0", "-1", "some", "1001"} {
		if code, _, errOut := run(t, "preview", "--last", n); code != exitUsage || errOut == "" {
			t.Errorf("--last %s: exit code %d\n%s", n, code, errOut)
		}
	}
}

// That nothing would be sent does not mean that the CRM was looked at.
func TestPrintPreview_SaysWhatUnchangedMeans(t *testing.T) {
	for action, told := range map[crm.Action]bool{crm.Unchanged: true, crm.Updated: false} {
		var out bytes.Buffer
		err := printPreview(&out, connector.Preview{Events: []connector.EventPreview{
			{ID: "e1", Status: state.Unchanged, Records: []connector.RecordPreview{{Object: "contact", Key: "u1", Action: string(action)}}},
		}})
		if err != nil || strings.Contains(out.String(), "crmsync last sent") != told {
			t.Errorf("%s: %v\n%s", action, err, out.String())
		}
	}
}

// Nothing else leads to a record that was taken away.
func TestArchivedRecords_AreNamed(t *testing.T) {
	var out bytes.Buffer
	if err := printRecordPreview(&out, connector.RecordPreview{Object: "contact", Key: "u1", Action: string(crm.Archived), RemoteID: "501"}); err != nil {
		t.Fatal(err)
	}
	if want := "contact u1: archive, CRM record 501"; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s", out.String(), want)
	}
	cells, err := eventCells([]byte(`{"records":[{"object":"contact","key":"u1","action":"archived","remote_id":"501"},{"object":"company","action":"updated","remote_id":"7"}]}`))
	if want := "contact archived 501, company updated"; err != nil || cells[4] != want {
		t.Errorf("got %q, %v, want %s", cells, err, want)
	}
}
