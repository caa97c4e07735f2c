package app

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"crmsync/crm/sandbox"
)

// useHubSpot configures a HubSpot account that is a CRM in memory.
func useHubSpot(t *testing.T) *sandbox.Server {
	t.Helper()
	crm := sandbox.New(sandbox.Options{Token: "pat-1"})
	server := httptest.NewServer(crm)
	t.Cleanup(server.Close)
	t.Setenv("CRMSYNC_CRM", "hubspot")
	t.Setenv("CRMSYNC_HUBSPOT_TOKEN", "pat-1")
	t.Setenv("CRMSYNC_HUBSPOT_BASE_URL", server.URL)
	t.Setenv("CRMSYNC_WEBHOOK_SECRETS", testSecret)
	t.Setenv("CRMSYNC_STATE", t.TempDir()+"/crmsync.db")
	return crm
}

func findings(t *testing.T, stdout string) map[string]finding {
	t.Helper()
	found := map[string]finding{}
	for line := range strings.Lines(stdout) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		found[f.Object+"/"+f.Field] = f
	}
	return found
}

// A new account is made ready by setup, and check knows before and after.
func TestCheckAndSetup_OfANewAccount(t *testing.T) {
	crm := useHubSpot(t)
	code, out, errOut := run(t, "check", "--json")
	if code != exitFailed {
		t.Fatalf("before: exit code %d\n%s%s", code, out, errOut)
	}
	if f := findings(t, out)["contact/crmsync_id"]; f.Code != "id_field" || !strings.Contains(f.Remedy, "crmsync setup") {
		t.Errorf("before: got %+v", f)
	}
	if f := findings(t, out)["activity/crmsync_score"]; f.Code != "unknown_field" || f.Variable != "CRMSYNC_MAP_ACTIVITY_crmsync_score" {
		t.Errorf("before: got %+v", f)
	}
	if code, out, errOut := run(t, "setup", "--dry-run"); code != exitOK || !strings.Contains(out, "crmsync_id") {
		t.Errorf("dry run: exit code %d\n%s%s", code, out, errOut)
	}
	if n := crm.Writes(); n != 0 {
		t.Errorf("check and a dry run wrote %d times", n)
	}
	for range 2 { // setup may be repeated
		if code, out, errOut := run(t, "setup"); code != exitOK || strings.Contains(out, "by hand") {
			t.Fatalf("setup: exit code %d\n%s%s", code, out, errOut)
		}
	}
	if code, out, errOut := run(t, "check"); code != exitOK || out != "Everything is fine.\n" {
		t.Errorf("after: exit code %d\n%s%s", code, out, errOut)
	}
}

func TestCheck_NamesTheFieldThatWasMeant(t *testing.T) {
	useHubSpot(t)
	t.Setenv("CRMSYNC_MAP_CONTACT_fristname", "user.name")
	t.Setenv("CRMSYNC_MAP_CONTACT_createdate", "user.createdAt")
	if code, out, errOut := run(t, "setup"); code != exitOK {
		t.Fatalf("setup: exit code %d\n%s%s", code, out, errOut)
	}
	code, out, errOut := run(t, "check", "--json")
	if code != exitFailed {
		t.Fatalf("exit code %d\n%s%s", code, out, errOut)
	}
	found := findings(t, out)
	f := found["contact/fristname"]
	if f.Severity != severityError || f.Variable != "CRMSYNC_MAP_CONTACT_fristname" || f.Code != "unknown_field" ||
		!strings.Contains(f.Remedy, "did you mean firstname?") {
		t.Errorf("got %+v", f)
	}
	if f := found["contact/createdate"]; f.Code != "read_only_field" {
		t.Errorf("got %+v", f)
	}
}

func TestCheck_WrongTokenIsSaidOnceWithoutIt(t *testing.T) {
	crm := useHubSpot(t)
	crm.SetToken("pat-2")
	code, out, errOut := run(t, "check", "--json")
	if code != exitFailed || strings.Count(out, "\n") != 1 || strings.Contains(out+errOut, "pat-1") {
		t.Fatalf("exit code %d\n%s%s", code, out, errOut)
	}
	if f := findings(t, out)["/"]; f.Code != "unauthorized" || !strings.Contains(f.Remedy, "CRMSYNC_HUBSPOT_") {
		t.Errorf("got %+v", f)
	}
}

func TestCheck_StateFile(t *testing.T) {
	dir := t.TempDir()
	for path, wrong := range map[string]bool{
		dir + "/new.db":        false,
		dir:                    true,
		dir + "/none/state.db": true,
	} {
		if found := checkState(path); (len(found) > 0) != wrong {
			t.Errorf("%s: got %+v", path, found)
		}
	}
}
