package app

import (
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"crmsync/connector/config"
)

// settable returns every variable that can be set when CRMSYNC_CRM is hubspot, and
// some of fields. CRMSYNC_CRM itself is not among them.
func settable(t *testing.T) []string {
	t.Helper()
	t.Setenv("CRMSYNC_CRM", "hubspot")
	cfg, err := config.Load(config.LoadOptions{Adapters: offered(), Only: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"CRMSYNC_MAP_CONTACT_jobtitle", "CRMSYNC_MAP_COMPANY_Custom", "CRMSYNC_REST_TOKEN", "CRMSYNC_TYPO"}
	for _, s := range cfg.Redacted() {
		if s.Variable == "CRMSYNC_CRM" {
			continue
		}
		names = append(names, s.Variable)
		if s.Value == "set" || s.Value == "not set" {
			names = append(names, s.Variable+"_FILE")
		}
	}
	if len(names) < 40 {
		t.Fatalf("there are only %d variables: %v", len(names), names)
	}
	return names
}

// shownByConfig are variables that take nearly any text and are no secrets:
// config, whose purpose it is, shows them.
var shownByConfig = []string{"CRMSYNC_STATE", "CRMSYNC_HUBSPOT_CLIENT_ID"}

// TestCommands_NeverPrintSecrets puts what looks like a secret into any variables,
// in any dress (I8).
func TestCommands_NeverPrintSecrets(t *testing.T) {
	names := settable(t)
	t.Chdir(t.TempDir())
	for _, name := range names {
		t.Setenv(name, "") // to be restored at the end
	}
	dresses := []string{"%", "%", `"%`, "'%' +", "https://%@h", "https://h/?key=%", "postgres://u:%@h/d", `{"x": "%"`, `{"x": "user.%"}`, "user.%", "%,%", ":%", "%/10s"}
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.StringMatching(`(whsec_|pat-na1-|)[A-Za-z]{8}[0-9][A-Za-z0-9]{8,24}`).Draw(rt, "secret")
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, -1, rapid.ID[string]).Draw(rt, "variables")
		shown := false
		for _, name := range names {
			os.Unsetenv(name)
		}
		for _, name := range some {
			dress := rapid.SampledFrom(dresses).Draw(rt, name)
			os.Setenv(name, strings.ReplaceAll(dress, "%", secret))
			shown = shown || strings.Contains(strings.Join(shownByConfig, " "), name)
		}
		os.Setenv("CRMSYNC_BATCH_SIZE", secret) // serve must not start
		for _, args := range [][]string{{"check"}, {"check", "--json"}, {"serve"}, {"setup"}, {"config"}, {"config", "--json"}} {
			code, out, errOut := run(t, args...)
			if code != exitUsage {
				rt.Fatalf("%v: exit code %d", args, code)
			}
			if args[0] == "config" && shown {
				out = ""
			}
			if strings.Contains(out+errOut, secret) {
				rt.Fatalf("%v prints %s\n%s%s", args, secret, out, errOut)
			}
		}
	})
}
