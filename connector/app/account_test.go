package app

import (
	"os"
	"strings"
	"testing"

	"crmsync/crm"
	"crmsync/crm/sandbox"
	"crmsync/state"
	"crmsync/state/bolt"
)

// bindState makes a state that belongs to a portal at the configured address.
func bindState(t *testing.T, portal string) {
	t.Helper()
	store, err := bolt.Open(os.Getenv("CRMSYNC_STATE"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(os.Getenv("CRMSYNC_HUBSPOT_BASE_URL"), "http://")
	b := state.Binding{Kind: "hubspot", Account: host + portal, IDField: "crmsync_id"}
	if err := store.Settle(t.Context(), state.Batch{Binding: &b}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// Every portal has the same address: only asking tells that a token is for
// another one. The sandbox's own number is 4711.
func TestAnotherPortal_IsFoundByCheckAndServe(t *testing.T) {
	useHubSpot(t)
	t.Setenv("CRMSYNC_LISTEN_ADDR", "127.0.0.1:0")
	t.Setenv("CRMSYNC_ADMIN_ADDR", "off")
	if code, out, errOut := run(t, "setup"); code != exitOK {
		t.Fatalf("setup: exit code %d\n%s%s", code, out, errOut)
	}
	bindState(t, "/5")
	if code, out, errOut := run(t, "check", "--offline"); code != exitOK {
		t.Errorf("check --offline asks nobody: exit code %d\n%s%s", code, out, errOut)
	}
	for command, want := range map[string]int{"check": exitFailed, "serve": exitUsage} {
		code, out, errOut := run(t, command)
		if code != want {
			t.Errorf("%s: exit code %d, want %d", command, code, want)
		}
		for _, part := range []string{"CRMSYNC_STATE", "/5 with", "/4711 with", "crmsync state rebind --yes"} {
			if !strings.Contains(out+errOut, part) {
				t.Errorf("%s does not name %s\n%s%s", command, part, out, errOut)
			}
		}
	}
}

// A state that is bound to no more than an address is at home in any portal.
func TestCheck_TheSamePortalAndOneThatIsNotKnown(t *testing.T) {
	for _, portal := range []string{"/4711", ""} {
		useHubSpot(t)
		if code, out, errOut := run(t, "setup"); code != exitOK {
			t.Fatalf("setup: exit code %d\n%s%s", code, out, errOut)
		}
		bindState(t, portal)
		if code, out, errOut := run(t, "check"); code != exitOK {
			t.Errorf("portal %q: exit code %d\n%s%s", portal, code, out, errOut)
		}
	}
}

// The CRM in memory is on another port each time.
func TestSandbox_IsAlwaysTheSameAccount(t *testing.T) {
	client, err := openSandbox(nil, crm.Common{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closeClient(client) }()
	if account, err := client.Account(t.Context()); account != "sandbox" || err != nil || accountOffline(client) != account {
		t.Errorf("got %q, %v", account, err)
	}
}

// Only plain text holds every id.
func TestCheck_IDPropertyOfTheWrongType(t *testing.T) {
	for kind, property := range map[string]sandbox.Property{
		"number":      {Name: "crmsync_id", Type: "number", FieldType: "number", HasUniqueValue: true},
		"enumeration": {Name: "crmsync_id", Type: "enumeration", FieldType: "select", HasUniqueValue: true},
	} {
		useHubSpotWith(t, sandbox.Options{Custom: map[string][]sandbox.Property{"contacts": {property}}})
		code, out, errOut := run(t, "check", "--json")
		f := findings(t, out)["contact/crmsync_id"]
		if code != exitFailed || f.Code != "id_field" || f.Variable != "CRMSYNC_HUBSPOT_ID_PROPERTY" ||
			!strings.Contains(f.Message, kind) || !strings.Contains(f.Remedy, "name another one") {
			t.Errorf("%s: exit code %d, got %+v\n%s", kind, code, f, errOut)
		}
	}
}
