package app

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"crmsync/connector"
	"crmsync/crm"
	"crmsync/crm/sandbox"
	"crmsync/state"
	"crmsync/state/bolt"
)

// useHubSpot configures a HubSpot account that is a CRM in memory.
func useHubSpot(t *testing.T) *sandbox.Server {
	t.Helper()
	return useHubSpotWith(t, sandbox.Options{})
}

func useHubSpotWith(t *testing.T, o sandbox.Options) *sandbox.Server {
	t.Helper()
	o.Token = "pat-1"
	if o.Owners == nil {
		o.Owners = []sandbox.Owner{{ID: "7", Email: "lena@brightsales.example"}}
	}
	crm := sandbox.New(o)
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
	if f := findings(t, out)["contact/crmsync_id"]; f.Code != "id_field" || f.Variable != "CRMSYNC_HUBSPOT_ID_PROPERTY" || !strings.Contains(f.Remedy, "crmsync setup") {
		t.Errorf("before: got %+v", f)
	}
	if f := findings(t, out)["activity/crmsync_score"]; f.Code != "unknown_field" || f.Variable != "CRMSYNC_MAP_ACTIVITY_crmsync_score" {
		t.Errorf("before: got %+v", f)
	}
	if code, out, _ := run(t, "check"); code != exitFailed || strings.Count(out, "error: ") < 10 || strings.Count(out, "crmsync setup") != 1 {
		t.Errorf("before: exit code %d, the one remedy is not printed once\n%s", code, out)
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
	if code, out, errOut := run(t, "setup"); code != exitFailed || !strings.Contains(out, "by hand") {
		t.Fatalf("setup: exit code %d\n%s%s", code, out, errOut)
	}
	code, out, errOut := run(t, "check", "--json")
	if code != exitFailed {
		t.Fatalf("exit code %d\n%s%s", code, out, errOut)
	}
	found := findings(t, out)
	f := found["contact/fristname"]
	if f.Severity != connector.SeverityError || f.Variable != "CRMSYNC_MAP_CONTACT_fristname" || f.Code != "unknown_field" ||
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
	if f := findings(t, out)["/"]; f.Code != "unauthorized" || f.Variable != "CRMSYNC_HUBSPOT_TOKEN" || f.Remedy == "" {
		t.Errorf("got %+v", f)
	}
	code, out, errOut = run(t, "setup")
	if code != exitFailed || !strings.Contains(errOut, "error: CRMSYNC_HUBSPOT_TOKEN: ") || strings.Contains(out+errOut, "pat-1") {
		t.Errorf("setup: exit code %d\n%s%s", code, out, errOut)
	}
}

func TestCheck_StatePath(t *testing.T) {
	dir := t.TempDir()
	for path, wrong := range map[string]bool{
		dir + "/new.db":        false,
		dir:                    true,
		dir + "/none/state.db": true,
	} {
		if found := checkStatePath(path); (len(found) > 0) != wrong {
			t.Errorf("%s: got %+v", path, found)
		}
	}
}

func TestCheck_StateFile(t *testing.T) {
	useHubSpot(t)
	path := os.Getenv("CRMSYNC_STATE")
	sound := testConfig(t, t.TempDir())
	v := startTest(t, sound)
	sendSamples(t, v)
	if err := v.stop(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(sound.State)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		content string
		code    int
		want    string
	}{
		{"", exitFailed, "is empty"},
		{"Dear diary", exitUsage, "is not a crmsync state file"},
		{string(whole[:20_000]), exitFailed, "truncated"},
		{string(whole), exitUsage, "belongs to the sandbox account sandbox with the id field crmsync_id, configured is the hubspot account 127.0.0.1"},
	} {
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, _ := run(t, "check", "--offline", "--json")
		f := findings(t, out)["/"]
		if code != tt.code || f.Variable != "CRMSYNC_STATE" || !strings.Contains(f.Message, tt.want) || f.Remedy == "" {
			t.Errorf("%s: exit code %d, got %+v", tt.want, code, f)
		}
	}
	t.Setenv("CRMSYNC_BATCH_SIZE", "none") // a mistake as well
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := run(t, "check", "--offline"); code != exitUsage || !strings.Contains(out, "is empty") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// A file that a connector has open was looked at by it.
func TestCheck_LeavesAFileInUseAlone(t *testing.T) {
	useHubSpot(t)
	store, err := bolt.Open(os.Getenv("CRMSYNC_STATE"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if code, out, _ := run(t, "check", "--offline"); code != exitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// Nothing is left to be set up in a CRM that is made with every process.
func TestCheckAndSetup_OfTheSandbox(t *testing.T) {
	t.Setenv("CRMSYNC_CRM", "sandbox")
	t.Setenv("CRMSYNC_WEBHOOK_SECRETS", testSecret)
	t.Setenv("CRMSYNC_STATE", t.TempDir()+"/crmsync.db")
	for _, command := range []string{"check", "setup"} {
		if code, out, errOut := run(t, command); code != exitOK || strings.Contains(out, "created") {
			t.Errorf("%s: exit code %d\n%s%s", command, code, out, errOut)
		}
	}
}

func TestBindingProblem(t *testing.T) {
	bound := &state.Binding{Kind: "hubspot", Account: "api.hubapi.com/5", IDField: "crmsync_id", Namespace: "n"}
	same := crm.Properties{Name: "hubspot", IDField: "crmsync_id"}
	for _, tt := range []struct {
		name    string
		bound   *state.Binding
		p       crm.Properties
		account string
		wrong   bool
	}{
		{"a new state", nil, same, "api.hubapi.com", false},
		{"the same", bound, same, "api.hubapi.com/5", false},
		{"one that is known in part", bound, same, "api.hubapi.com", false},
		{"another portal", bound, same, "api.hubapi.com/6", true},
		{"an account that is not known yet", bound, same, "", false},
		{"another account", bound, same, "crm.test", true},
		{"another CRM", bound, crm.Properties{Name: "sandbox", IDField: "crmsync_id"}, "", true},
		{"another id field", bound, crm.Properties{Name: "hubspot", IDField: "our_id"}, "", true},
	} {
		if got := bindingProblem(tt.bound, tt.p, tt.account); (got != "") != tt.wrong {
			t.Errorf("%s: got %q", tt.name, got)
		}
	}
}
