package config_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
)

// fakeOptions stands for the options of an adapter.
type fakeOptions struct {
	Token   string `name:"TOKEN" secret:"true" required:"true" help:"private app token"`
	BaseURL string `name:"BASE_URL" default:"https://api.example.com" help:"Root of the API."`
	IDField string `name:"ID_FIELD" key:"true" default:"crmsync_id" help:"Field that holds our key."`

	Cache string // no name tag: not an option
}

const preset = `# Contacts.
CRMSYNC_MAP_CONTACT_email=user.email ?? ""
CRMSYNC_MAP_CONTACT_firstname=firstName(user.name) ?? ""

CRMSYNC_MAP_ACTIVITY_title="Call " + call.id
`

const goodSecret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"

func options() config.LoadOptions {
	return config.LoadOptions{
		Adapters: []config.Adapter{
			{Name: "hubspot", Options: &fakeOptions{}, Preset: preset, MaxBatch: 100},
			{Name: "sandbox", Preset: preset},
			{Name: "other", Options: &fakeOptions{}},
		},
		CheckSecret: func(secret string) error {
			if secret != goodSecret {
				return errors.New("is too short")
			}
			return nil
		},
	}
}

func (o *fakeOptions) Validate() []*crm.OptionError {
	var problems []*crm.OptionError
	if o.IDField == "id" {
		problems = append(problems, &crm.OptionError{Name: "ID_FIELD", Message: "must be a field of your own"})
	}
	if o.Token == "" { // found twice, reported once
		problems = append(problems, &crm.OptionError{Name: "TOKEN", Message: "is required"})
	}
	return problems
}

// setEnv makes env, over what every configuration needs, the CRMSYNC_ part of
// the environment. "-" leaves a variable out.
func setEnv(t *testing.T, env map[string]string) {
	t.Helper()
	clearEnv(t)
	all := map[string]string{
		"CRMSYNC_CRM": "hubspot", "CRMSYNC_WEBHOOK_SECRETS": goodSecret, "CRMSYNC_HUBSPOT_TOKEN": "tok",
	}
	for name, text := range env {
		all[name] = text
	}
	for name, text := range all {
		if text != "-" {
			t.Setenv(name, text)
		}
	}
}

// clearEnv removes our variables until the end of the test.
func clearEnv(t *testing.T) {
	t.Helper()
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(strings.ToUpper(name), "CRMSYNC_") {
			t.Setenv(name, "") // remembers what to restore
			os.Unsetenv(name)
		}
	}
}

func load(t *testing.T, env map[string]string) (*config.Config, config.Errors) {
	t.Helper()
	setEnv(t, env)
	cfg, err := config.Load(options())
	problems, ok := errors.AsType[config.Errors](err)
	if err != nil && !ok {
		t.Fatalf("Load: %v", err)
	}
	return cfg, problems
}

func loadGood(t *testing.T, env map[string]string) *config.Config {
	t.Helper()
	cfg, problems := load(t, env)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return cfg
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_AppliesDefaults(t *testing.T) {
	c := loadGood(t, nil)
	checks := map[string]bool{
		"listen address":   c.ListenAddr == ":8080",
		"admin address":    c.AdminAddr == "127.0.0.1:8081",
		"webhook secrets":  len(c.WebhookSecrets) == 1 && string(c.WebhookSecrets[0]) == goodSecret,
		"webhook bytes":    c.WebhookMaxBytes == 5<<20,
		"state":            c.State == "crmsync.db",
		"event retention":  c.EventRetention == 90*24*time.Hour,
		"payloads":         c.PayloadRetention == 7*24*time.Hour,
		"CRM":              c.CRM == "hubspot",
		"token":            c.Options.(*fakeOptions).Token == "tok",
		"base URL":         c.Options.(*fakeOptions).BaseURL == "https://api.example.com",
		"common":           c.Common.RequestTimeout == 30*time.Second && c.Common.BatchSize == 0 && c.Common.RateLimit == crm.RateLimit{},
		"authorities":      c.Common.RootCAs == nil,
		"settle time":      c.SettleTime == 2*time.Minute,
		"dry run":          !c.DryRun,
		"time zone":        c.Mapping.TimeZone == time.UTC,
		"duration unit":    c.Mapping.DurationUnit == time.Second,
		"give up after":    c.GiveUpAfter == 24*time.Hour,
		"delete policies":  c.UserDeleted == config.DeleteMark && c.OrgDeleted == config.DeleteMark,
		"log":              c.LogLevel == 0 && c.LogFormat == config.LogJSON,
		"no filters":       len(c.Mapping.Filters) == 0,
		"no warnings":      len(c.Warnings) == 0,
		"mapped by preset": c.Mapping.Fields[crm.Contact]["email"] == mapping.Expression{Source: `user.email ?? ""`, Variable: "CRMSYNC_MAP_CONTACT_email"},
		"company is off":   c.Mapping.Fields[crm.Company] == nil,
	}
	for name, ok := range checks {
		if !ok {
			t.Errorf("%s: unexpected in %+v", name, c)
		}
	}
}

func TestLoad_ReadsValues(t *testing.T) {
	c := loadGood(t, map[string]string{
		"CRMSYNC_CRM":               " sandbox ",
		"CRMSYNC_HUBSPOT_TOKEN":     "-",
		"CRMSYNC_ADMIN_ADDR":        "off",
		"CRMSYNC_WEBHOOK_SECRETS":   goodSecret + " , " + goodSecret + ",",
		"CRMSYNC_RATE_LIMIT":        "100/10s",
		"CRMSYNC_BATCH_SIZE":        "25",
		"CRMSYNC_DRY_RUN":           "true",
		"CRMSYNC_PAYLOAD_RETENTION": "0",
		"CRMSYNC_TIME_ZONE":         "Europe/Berlin",
		"CRMSYNC_DURATION_UNIT":     "minutes",
		"CRMSYNC_USER_DELETED":      "archive",
		"CRMSYNC_FILTER_CALL":       `call.score > 1`,
		"CRMSYNC_LOG_LEVEL":         "", // empty counts as unset
	})
	if c.AdminAddr != "" || len(c.WebhookSecrets) != 2 || c.PayloadRetention != 0 || c.Options != nil || c.CRM != "sandbox" || !c.DryRun {
		t.Errorf("unexpected: %+v", c)
	}
	if c.Common.RateLimit != (crm.RateLimit{Max: 100, Per: 10 * time.Second}) || c.Common.BatchSize != 25 {
		t.Errorf("common = %+v", c.Common)
	}
	if c.Mapping.TimeZone.String() != "Europe/Berlin" || c.Mapping.DurationUnit != time.Minute || c.UserDeleted != config.DeleteArchive {
		t.Errorf("unexpected: %+v", c)
	}
	want := mapping.Expression{Source: "call.score > 1", Variable: "CRMSYNC_FILTER_CALL"}
	if got := c.Mapping.Filters[mapping.KindCall]; got != want {
		t.Errorf("filter = %+v, want %+v", got, want)
	}
	if c := loadGood(t, map[string]string{"CRMSYNC_RATE_LIMIT": "off"}); !c.Common.RateLimit.Off {
		t.Error("rate limit is not off")
	}
}

func TestLoad_IgnoresUnprefixedVariables(t *testing.T) {
	t.Setenv("LISTEN_ADDR", ":1")
	t.Setenv("STATE", "elsewhere.db")
	if c := loadGood(t, nil); c.ListenAddr != ":8080" || c.State != "crmsync.db" {
		t.Errorf("read an unprefixed variable: %+v", c)
	}
}

func TestLoad_IgnoresServiceLinks(t *testing.T) {
	c := loadGood(t, map[string]string{
		"CRMSYNC_SERVICE_HOST":                 "10.0.0.1",
		"CRMSYNC_SERVICE_PORT":                 "8080",
		"CRMSYNC_SERVICE_PORT_HTTP":            "8080",
		"CRMSYNC_PORT":                         "tcp://10.0.0.1:8080",
		"CRMSYNC_PORT_8080_TCP":                "tcp://10.0.0.1:8080",
		"CRMSYNC_PORT_8080_TCP_PROTO":          "tcp",
		"CRMSYNC_ADMIN_SERVICE_HOST":           "10.0.0.2",
		"CRMSYNC_ADMIN_PORT_8081_TCP_ADDR":     "10.0.0.2",
		"CRMSYNC_MAP_CONTACT_SERVICE_HOST":     "10.0.0.3",
		"CRMSYNC_MAP_CONTACT_PORT":             "tcp://10.0.0.3:80",
		"CRMSYNC_MAP_CONTACT_PORT_80_TCP_ADDR": "10.0.0.3",
		"CRMSYNC_MAP_ACTIVITY_EU_SERVICE_HOST": "10.0.0.4",
		"CRMSYNC_MAP_SERVICE_HOST":             "10.0.0.5",
		"CRMSYNC_MAP_CONTACT_port":             "user.id",
		"CRMSYNC_MAP_CONTACT_PORT_OF_CALL":     "user.id",
		"CRMSYNC_MAP_COMPANY":                  `{"PORT": "org.id"}`,
	})
	if got := slices.Sorted(maps.Keys(c.Mapping.Fields[crm.Contact])); !slices.Equal(got, []string{"PORT_OF_CALL", "email", "firstname", "port"}) {
		t.Errorf("contacts have the fields %q", got)
	}
	if len(c.Mapping.Fields[crm.Activity]) != 1 || c.Mapping.Fields[crm.Company]["PORT"].Source != "org.id" {
		t.Errorf("got %v", c.Mapping.Fields)
	}
}

func TestLoad_ReadsSecretsFromFiles(t *testing.T) {
	c := loadGood(t, map[string]string{
		"CRMSYNC_HUBSPOT_TOKEN":        "", // empty counts as unset
		"CRMSYNC_HUBSPOT_TOKEN_FILE":   writeFile(t, "from file\r\n"),
		"CRMSYNC_WEBHOOK_SECRETS":      "-",
		"CRMSYNC_WEBHOOK_SECRETS_FILE": writeFile(t, goodSecret+"\n"+goodSecret+"\n"),
	})
	if got := c.Options.(*fakeOptions).Token; got != "from file" {
		t.Errorf("token = %q", got)
	}
	if len(c.WebhookSecrets) != 2 {
		t.Errorf("got %d secrets, want 2", len(c.WebhookSecrets))
	}
}

func TestLoad_ReadsFilesAsEditorsWriteThem(t *testing.T) {
	for _, text := range []string{"tok", "tok\n", "tok\r\n", "\ufefftok\r\n", "\ntok\n\n"} {
		c := loadGood(t, env("HUBSPOT_TOKEN", "-", "HUBSPOT_TOKEN_FILE", writeFile(t, text)))
		if got := c.Options.(*fakeOptions).Token; got != "tok" {
			t.Errorf("%q: token = %q", text, got)
		}
	}
}

func TestLoad_WarnsOfOtherCRMs(t *testing.T) {
	c := loadGood(t, map[string]string{
		"CRMSYNC_OTHER_TOKEN": "x", "CRMSYNC_OTHER_BASE_URL": "http://crm.example.com",
		"CRMSYNC_SALESFORCE_LOGIN_URL": "x", "CRMSYNC_REST_CONTACT_PATH": "x", "CRMSYNC_PIPEDRIVE_TOKEN_FILE": "x",
		"CRMSYNC_DYNAMICS_URL": "", // empty counts as unset
	})
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Variable+" "+w.Code)
	}
	want := []string{
		"CRMSYNC_OTHER_BASE_URL other_crm", "CRMSYNC_OTHER_TOKEN other_crm",
		"CRMSYNC_PIPEDRIVE_TOKEN_FILE other_crm", "CRMSYNC_REST_CONTACT_PATH other_crm", "CRMSYNC_SALESFORCE_LOGIN_URL other_crm",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got warnings %v, want %v", got, want)
	}
}

func TestLoad_WarnsOfPlainHTTP(t *testing.T) {
	for url, want := range map[string]int{"http://crm.example.com": 1, "http://127.0.0.1:9/x": 0, "http://localhost": 0, "https://crm.example.com": 0} {
		if c := loadGood(t, map[string]string{"CRMSYNC_HUBSPOT_BASE_URL": url}); len(c.Warnings) != want {
			t.Errorf("%s: got %d warnings, want %d", url, len(c.Warnings), want)
		}
	}
}

// TestLoad_SaysOneThingAboutAnAddress keeps the warning for an address that can
// be used.
func TestLoad_SaysOneThingAboutAnAddress(t *testing.T) {
	c, problems := load(t, env("HUBSPOT_BASE_URL", "http://user:password@crm.example.com"))
	if len(problems) != 1 || len(c.Warnings) != 0 {
		t.Errorf("got problems %v and warnings %v, want one problem", problems, c.Warnings)
	}
}

func TestLoad_WarnsOfWhatHasNoEffect(t *testing.T) {
	for _, tt := range []struct {
		name, variable, says string // no variable: no warning
		env                  map[string]string
	}{
		{"payloads outlive their events", "CRMSYNC_PAYLOAD_RETENTION", "longer than CRMSYNC_EVENT_RETENTION", env("PAYLOAD_RETENTION", "3000h")},
		{"payloads and events go together", "", "", env("PAYLOAD_RETENTION", "2160h")},
		{"everything is off", "CRMSYNC_MAP_CONTACT", "nothing will be written", env("MAP_CONTACT", "off", "MAP_ACTIVITY", "off", "MAP_COMPANY", "off")},
		{"something is on", "", "", env("MAP_CONTACT", "off", "MAP_ACTIVITY", "off")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := loadGood(t, tt.env)
			switch {
			case tt.variable == "" && len(c.Warnings) > 0:
				t.Errorf("got %v, want no warning", c.Warnings)
			case tt.variable == "":
			case len(c.Warnings) != 1 || c.Warnings[0].Variable != tt.variable || c.Warnings[0].Code != config.CodeNoEffect || !strings.Contains(c.Warnings[0].Message, tt.says):
				t.Errorf("got %v, want one of %s: %s", c.Warnings, tt.variable, tt.says)
			}
		})
	}
}

func TestConfig_ShowsWhatTheCRMDoesByDefault(t *testing.T) {
	for _, tt := range []struct {
		env          map[string]string
		batch, limit string
	}{
		{nil, "100", "the CRM's own"},
		{env("CRM", "other", "OTHER_TOKEN", "t"), "the CRM's maximum", "the CRM's own"},
		{env("BATCH_SIZE", "7", "RATE_LIMIT", "5/1s"), "7", "5/1s"},
	} {
		shown := inForce(loadGood(t, tt.env))
		if shown["CRMSYNC_BATCH_SIZE"] != tt.batch || shown["CRMSYNC_RATE_LIMIT"] != tt.limit {
			t.Errorf("%v: got %q and %q, want %q and %q", tt.env, shown["CRMSYNC_BATCH_SIZE"], shown["CRMSYNC_RATE_LIMIT"], tt.batch, tt.limit)
		}
	}
}

func TestLoad_TakesTheOwnerIdsOfCRMs(t *testing.T) {
	for _, id := range []string{"7", "70001", "0055g00000AbCdEAAV", "6f1e7c2a-3b4d-4e5f-8a9b-0c1d2e3f4a5b"} {
		if c := loadGood(t, env("DEFAULT_OWNER", id)); c.DefaultOwner != id {
			t.Errorf("got %q, want %q", c.DefaultOwner, id)
		}
	}
}

func TestLoad_OnlyLimitsProblems(t *testing.T) {
	clearEnv(t)
	t.Setenv("CRMSYNC_LISTEN_ADDR", "nowhere")
	t.Setenv("CRMSYNC_UNKNOWN", "x")
	o := options()
	o.Only = []string{"CRMSYNC_STATE"}
	cfg, err := config.Load(o)
	if err != nil || cfg.State != "crmsync.db" {
		t.Errorf("got state %q, %v", cfg.State, err)
	}
	o.Only = append(o.Only, "CRMSYNC_LISTEN_ADDR")
	if _, err := config.Load(o); err == nil || !strings.HasPrefix(err.Error(), "CRMSYNC_LISTEN_ADDR: ") {
		t.Errorf("got %v", err)
	}
	t.Setenv("CRMSYNC_MAP_FILE", "/nowhere")
	o.Only = []string{"CRMSYNC_MAP_FILE"}
	if _, err := config.Load(o); err == nil || !strings.HasPrefix(err.Error(), "CRMSYNC_MAP_FILE: ") {
		t.Errorf("got %v", err)
	}
}

func TestLoad_TrustsAPrivateAuthority(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	file := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	c := loadGood(t, map[string]string{"CRMSYNC_TLS_CA": writeFile(t, string(file))})
	if _, err := server.Certificate().Verify(x509.VerifyOptions{Roots: c.Common.RootCAs, DNSName: "example.com"}); err != nil {
		t.Error(err)
	}
}

func TestDefaults_LooksAtNothing(t *testing.T) {
	setEnv(t, map[string]string{"CRMSYNC_LISTEN_ADDR": ":1", "CRMSYNC_MAP_CONTACT": "off", "CRMSYNC_WRONG": "x"})
	c, err := config.Defaults(options().Adapters[1])
	if err != nil {
		t.Fatal(err)
	}
	if c.ListenAddr != ":8080" || c.CRM != "sandbox" || len(c.Mapping.Fields[crm.Contact]) != 2 || len(c.WebhookSecrets) != 0 {
		t.Errorf("unexpected: %+v", c)
	}
}

func TestDefaults_ReportsABrokenPreset(t *testing.T) {
	for _, preset := range []string{"no assignment", "CRMSYNC_STATE=x", "CRMSYNC_MAP_CONTACT_email="} {
		if _, err := config.Defaults(config.Adapter{Name: "a", Preset: preset}); err == nil {
			t.Errorf("preset %q: no error", preset)
		}
	}
}
