package app

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"crmsync/connector"
	"crmsync/crm/sandbox"
)

// allButOwners are the scopes of a key that was made without the one for owners.
var allButOwners = []string{
	"crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read", "crm.objects.companies.write",
	"crm.schemas.contacts.write", "crm.schemas.companies.write",
}

// prepare makes the account ready for the mapping.
func prepare(t *testing.T) {
	t.Helper()
	if code, out, errOut := run(t, "setup"); code != exitOK {
		t.Fatalf("setup: exit code %d\n%s%s", code, out, errOut)
	}
}

// Without the owners every call would wait, and nobody would have said so.
func TestCheck_OwnersThatCannotBeRead(t *testing.T) {
	useHubSpotWith(t, sandbox.Options{Scopes: allButOwners})
	prepare(t)
	code, out, errOut := run(t, "check", "--json")
	if code != exitFailed || strings.Count(out, "\n") != 1 {
		t.Fatalf("exit code %d\n%s%s", code, out, errOut)
	}
	f := findings(t, out)["activity/hubspot_owner_id"]
	if f.Severity != connector.SeverityError || f.Variable != "CRMSYNC_HUBSPOT_TOKEN" || f.Code != "missing_scope" || f.Remedy == "" ||
		!strings.Contains(f.Message, "crm.objects.owners.read") || !strings.Contains(f.Message, "CRMSYNC_MAP_ACTIVITY_hubspot_owner_id") {
		t.Errorf("got %+v", f)
	}
	t.Setenv("CRMSYNC_MAP_ACTIVITY_hubspot_owner_id", "")
	if code, out, _ := run(t, "check"); code != exitOK {
		t.Errorf("a mapping without owner(): exit code %d\n%s", code, out)
	}
}

// A filter that asks for owners depends on them as much as a field does.
func TestCheck_OwnersForAFilter(t *testing.T) {
	useHubSpotWith(t, sandbox.Options{Scopes: allButOwners})
	prepare(t)
	t.Setenv("CRMSYNC_MAP_ACTIVITY_hubspot_owner_id", "")
	t.Setenv("CRMSYNC_FILTER_USER", "owner(user.email) != nil")
	code, out, errOut := run(t, "check", "--json")
	if f := findings(t, out)["contact/"]; code != exitFailed || f.Code != "missing_scope" || !strings.Contains(f.Message, "CRMSYNC_FILTER_USER") {
		t.Errorf("exit code %d, got %+v\n%s%s", code, f, out, errOut)
	}
}

// Each missing scope is named once, whether or not the schema may be read, and
// hides nothing else. Those that only writing needs the CRM tells: check writes
// nothing.
func TestCheck_MissingScopes(t *testing.T) {
	all := append(slices.Clone(allButOwners), "crm.objects.owners.read")
	for _, schemas := range []bool{true, false} {
		for _, lacking := range []string{
			"crm.objects.contacts.read", "crm.objects.companies.read", "crm.objects.owners.read",
			"crm.objects.contacts.write", "crm.objects.companies.write",
		} {
			without := slices.DeleteFunc(slices.Clone(all), func(scope string) bool {
				return scope == lacking || !schemas && strings.HasPrefix(scope, "crm.schemas.")
			})
			server := useHubSpotWith(t, sandbox.Options{Scopes: without})
			server.Fault(sandbox.Fault{Op: "upsert", Status: http.StatusTeapot, Times: 1000})
			code, out, errOut := run(t, "check", "--json")
			if code != exitFailed || strings.Count(out, "missing_scope") != 1 || !strings.Contains(out, lacking) ||
				!strings.Contains(out, `"variable":"CRMSYNC_HUBSPOT_TOKEN"`) {
				t.Errorf("%s: exit code %d\n%s%s", lacking, code, out, errOut)
			}
			if schemas && !strings.Contains(out, `"code":"unknown_field"`) {
				t.Errorf("%s hides what the mapping lacks\n%s", lacking, out)
			}
			if n := server.Writes(); n != 0 {
				t.Errorf("%s: check wrote %d times", lacking, n)
			}
		}
	}
	useHubSpotWith(t, sandbox.Options{Scopes: []string{"tickets"}})
	if _, out, _ := run(t, "check", "--json"); strings.Count(out, "missing_scope") != 3 {
		t.Errorf("not each of three missing scopes is named:\n%s", out)
	}
}

// With CRMSYNC_DRY_RUN nothing is written, and a token that only reads will do.
func TestCheck_DryRunNeedsNoScopesForWriting(t *testing.T) {
	server := useHubSpotWith(t, sandbox.Options{Scopes: []string{
		"crm.objects.contacts.read", "crm.objects.companies.read", "crm.objects.owners.read",
	}})
	for dryRun, want := range map[string]int{"false": 2, "true": 0} {
		t.Setenv("CRMSYNC_DRY_RUN", dryRun)
		_, out, errOut := run(t, "check", "--json")
		if got := strings.Count(out, `"code":"missing_scope"`); got != want {
			t.Errorf("CRMSYNC_DRY_RUN=%s: %d missing scopes, want %d\n%s%s", dryRun, got, want, out, errOut)
		}
	}
	if n := server.Writes(); n != 0 {
		t.Errorf("check wrote %d times", n)
	}
}

func TestSetup_NamesTheScopesThatWritingNeeds(t *testing.T) {
	all := append(slices.Clone(allButOwners), "crm.objects.owners.read")
	for _, lacking := range []string{"crm.objects.contacts.write", "crm.objects.companies.write"} {
		without := slices.DeleteFunc(slices.Clone(all), func(scope string) bool { return scope == lacking })
		useHubSpotWith(t, sandbox.Options{Scopes: without})
		code, out, errOut := run(t, "setup")
		if code != exitFailed || !strings.Contains(out, "by hand") || !strings.Contains(out, lacking) {
			t.Errorf("%s: exit code %d\n%s%s", lacking, code, out, errOut)
		}
	}
}

func TestCheck_OwnersOfWhomNobodyCanBeFound(t *testing.T) {
	crm := useHubSpotWith(t, sandbox.Options{Owners: []sandbox.Owner{
		{ID: "1", Email: "queue@brightsales.example", Queue: true},
		{ID: "2"},
	}})
	prepare(t)
	code, out, errOut := run(t, "check", "--json")
	if f := findings(t, out)["activity/hubspot_owner_id"]; code != exitOK || f.Severity != connector.SeverityWarning || f.Code != "no_owners" ||
		f.Variable != "CRMSYNC_MAP_ACTIVITY_hubspot_owner_id" || f.Remedy == "" {
		t.Errorf("exit code %d, got %+v\n%s%s", code, f, out, errOut)
	}
	crm.Fault(sandbox.Fault{Op: "owners", Status: http.StatusInternalServerError})
	code, out, _ = run(t, "check", "--json")
	if f := findings(t, out)["activity/hubspot_owner_id"]; code != exitFailed || f.Code != "unavailable" || f.Variable != "CRMSYNC_HUBSPOT_BASE_URL" {
		t.Errorf("owners that do not come: exit code %d, got %+v", code, f)
	}
}

// page answers everything with a page, or a redirect to another host.
func page(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if status/100 == 3 {
			http.Redirect(w, r, "https://www.hubspot.example/login?t=s3cret", status)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html>s3cret</html>"))
	}
}

// Whoever mistypes the address gets an answer, only not from HubSpot. It is not
// the key's fault.
func TestCheck_WrongAddress(t *testing.T) {
	useHubSpot(t)
	address := os.Getenv("CRMSYNC_HUBSPOT_BASE_URL")
	old := httptest.NewServer(sandbox.New(sandbox.Options{Token: "pat-1", Versions: []string{"v3"}}))
	defer old.Close()
	tests := map[string]string{"a path too many": address + "/crm/v3", "a version that is not there": old.URL}
	for name, status := range map[string]int{
		"a page": 200, "a redirect": 302, "a login page": 401, "a wall": 403, "no such page": 404, "no such method": 405,
	} {
		server := httptest.NewServer(page(status))
		defer server.Close()
		tests[name] = server.URL
	}
	for name, url := range maps.All(tests) {
		t.Setenv("CRMSYNC_HUBSPOT_BASE_URL", url)
		for _, command := range []string{"check", "setup"} {
			code, out, errOut := run(t, command)
			out += errOut
			for _, part := range []string{"error: CRMSYNC_HUBSPOT_BASE_URL: ", "CRMSYNC_HUBSPOT_API_VERSION"} {
				if code != exitFailed || !strings.Contains(out, part) || strings.Count(out, "error: ") != 1 || strings.Contains(out, "s3cret") {
					t.Errorf("%s of %s: exit code %d\n%s", command, name, code, out)
				}
			}
			if redirected := strings.Contains(out, "redirect to www.hubspot.example"); redirected != (name == "a redirect") {
				t.Errorf("%s of %s:\n%s", command, name, out)
			}
		}
	}
}

// An id field is nothing that anybody means to map.
func TestCheck_NeverSuggestsTheIDField(t *testing.T) {
	crm := useHubSpot(t)
	prepare(t)
	crm.DeleteProperty("contacts", "crmsync_role")
	t.Setenv("CRMSYNC_MAP_CONTACT_crmsync_di", "user.id")
	code, out, _ := run(t, "check", "--json")
	for _, name := range []string{"crmsync_role", "crmsync_di"} {
		f := findings(t, out)["contact/"+name]
		if code != exitFailed || f.Code != "unknown_field" || strings.Contains(f.Remedy, "crmsync_id") {
			t.Errorf("%s: exit code %d, got %+v", name, code, f)
		}
	}
}

// What cannot be written is left to a person, also when all else is there.
func TestSetup_NamesFieldsThatCannotBeWritten(t *testing.T) {
	useHubSpot(t)
	prepare(t)
	t.Setenv("CRMSYNC_MAP_CONTACT_createdate", "user.createdAt")
	for _, args := range [][]string{{"setup"}, {"setup", "--dry-run"}} {
		code, out, errOut := run(t, args...)
		_, manual, _ := strings.Cut(out, "Left to do by hand:")
		if code != exitFailed || !strings.Contains(manual, "createdate") || !strings.Contains(manual, "CRMSYNC_MAP_CONTACT_createdate") {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errOut)
		}
	}
}
