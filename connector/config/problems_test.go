package config_test

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"crmsync/connector/config"
)

// marker stands for a value that must never be printed.
const marker = "S3CR3Tmarker"

// mistakes are configurations with one problem each.
var mistakes = []struct {
	name     string
	env      map[string]string
	variable string // that the problem names
	code     string
	says     string // part of the line
}{
	{"no CRM", env("CRM", "-"), "CRM", config.CodeMissing, "set it to one of hubspot, sandbox, other"},
	{"blank CRM", env("CRM", "  "), "CRM", config.CodeMissing, "is required"},
	{"misspelt CRM", env("CRM", "hubpsot"), "CRM", config.CodeBadValue, "did you mean hubspot?"},
	{"CRM that does not exist", env("CRM", marker), "CRM", config.CodeBadValue, "must be one of"},
	{"CRM in quotes", env("CRM", `"hubspot"`), "CRM", config.CodeBadValue, "wrapped in quotes"},
	{"no secrets", env("WEBHOOK_SECRETS", "-"), "WEBHOOK_SECRETS", config.CodeMissing, "is required"},
	{"only commas for secrets", env("WEBHOOK_SECRETS", " , ,"), "WEBHOOK_SECRETS", config.CodeMissing, "is required"},
	{"second secret is bad", env("WEBHOOK_SECRETS", goodSecret+","+marker), "WEBHOOK_SECRETS", config.CodeBadValue, "secret 2 of 2 is too short"},
	{"listen address without port", env("LISTEN_ADDR", marker), "LISTEN_ADDR", config.CodeBadValue, "such as :8080"},
	{"listen address with a named port", env("LISTEN_ADDR", ":http"), "LISTEN_ADDR", config.CodeBadValue, "such as :8080"},
	{"listen address with a large port", env("LISTEN_ADDR", ":65536"), "LISTEN_ADDR", config.CodeBadValue, "such as :8080"},
	{"listen address is a URL", env("LISTEN_ADDR", "http://h:1"), "LISTEN_ADDR", config.CodeBadValue, "such as :8080"},
	{"listen address with bare IPv6", env("LISTEN_ADDR", "::1:80"), "LISTEN_ADDR", config.CodeBadValue, "such as :8080"},
	{"listen address with a port beyond all", env("LISTEN_ADDR", ":99999"), "LISTEN_ADDR", config.CodeBadValue, "at most 65535"},
	{"admin address with a port beyond all", env("ADMIN_ADDR", "127.0.0.1:99999"), "ADMIN_ADDR", config.CodeBadValue, "at most 65535"},
	{"both listeners alike", env("LISTEN_ADDR", "127.0.0.1:80", "ADMIN_ADDR", "127.0.0.1:80"), "ADMIN_ADDR", config.CodeConflict, "CRMSYNC_LISTEN_ADDR"},
	{"admin token that can be guessed", env("ADMIN_TOKEN", "x"), "ADMIN_TOKEN", config.CodeBadValue, "16 characters or more; openssl rand -hex 32"},
	{"CRM of another version", env("CRM", "salesforce"), "CRM", config.CodeUnsupported, "set it to one of hubspot, sandbox, other"},
	{"preset of another version", env("CRM", "twenty"), "CRM", config.CodeUnsupported, "does not support"},
	{"admin address without port", env("ADMIN_ADDR", "0.0.0.0"), "ADMIN_ADDR", config.CodeBadValue, "such as :8080"},
	{"admin address in the open", env("ADMIN_ADDR", "0.0.0.0:8081"), "ADMIN_TOKEN", config.CodeMissing, "CRMSYNC_ADMIN_ADDR is not a loopback address"},
	{"both listeners on one port", env("ADMIN_ADDR", "127.0.0.1:8080"), "ADMIN_ADDR", config.CodeConflict, "CRMSYNC_LISTEN_ADDR"},
	{"size with a unit", env("WEBHOOK_MAX_BYTES", "5MB"), "WEBHOOK_MAX_BYTES", config.CodeBadValue, "whole number from 1 to 67108864"},
	{"size beyond memory", env("WEBHOOK_MAX_BYTES", "99999999999"), "WEBHOOK_MAX_BYTES", config.CodeBadValue, "whole number"},
	{"batch size zero", env("BATCH_SIZE", "0"), "BATCH_SIZE", config.CodeBadValue, "whole number from 1"},
	{"batch size above that of the CRM", env("BATCH_SIZE", "101"), "BATCH_SIZE", config.CodeBadValue, "whole number from 1 to 100;"},
	{"batch size in words", env("BATCH_SIZE", "all"), "BATCH_SIZE", config.CodeBadValue, "for example CRMSYNC_BATCH_SIZE=50"},
	{"postgres with one slash", env("STATE", "postgres:/h/"+marker), "STATE", config.CodeUnsupported, "PostgreSQL"},
	{"postgres", env("STATE", "postgres://u:"+marker+"@h/d"), "STATE", config.CodeUnsupported, "PostgreSQL"},
	{"state is a URL", env("STATE", "file:///x.db"), "STATE", config.CodeBadValue, "path of a file"},
	{"state is a directory", env("STATE", "/data/"), "STATE", config.CodeBadValue, "path of a file"},
	{"retention in days", env("EVENT_RETENTION", "90d"), "EVENT_RETENTION", config.CodeBadValue, "a day is 24h"},
	{"retention without unit", env("EVENT_RETENTION", "90"), "EVENT_RETENTION", config.CodeBadValue, "such as 90s"},
	{"no retention of ids", env("EVENT_RETENTION", "0"), "EVENT_RETENTION", config.CodeBadValue, "above zero"},
	{"negative retention", env("PAYLOAD_RETENTION", "-1h"), "PAYLOAD_RETENTION", config.CodeBadValue, "zero or more"},
	{"time-out of an hour", env("REQUEST_TIMEOUT", "1h", "SETTLE_TIME", "2h"), "REQUEST_TIMEOUT", config.CodeBadValue, "at most 10m"},
	{"time-out that no CRM keeps", env("REQUEST_TIMEOUT", "999ms"), "REQUEST_TIMEOUT", config.CodeBadValue, "at least 1s"},
	{"settling before the time-out", env("SETTLE_TIME", "10s"), "SETTLE_TIME", config.CodeConflict, "CRMSYNC_REQUEST_TIMEOUT"},
	{"rate without window", env("RATE_LIMIT", "100"), "RATE_LIMIT", config.CodeBadValue, "such as 100/10s"},
	{"rate of nothing", env("RATE_LIMIT", "0/10s"), "RATE_LIMIT", config.CodeBadValue, "such as 100/10s"},
	{"rate with a bare unit", env("RATE_LIMIT", "10/s"), "RATE_LIMIT", config.CodeBadValue, "such as 100/10s"},
	{"authority is missing", env("TLS_CA", "/nowhere/"+marker), "TLS_CA", config.CodeUnreadableFile, "does not exist"},
	{"authority is a directory", env("TLS_CA", "/"), "TLS_CA", config.CodeUnreadableFile, "regular file"},
	{"authority is no certificate", env("TLS_CA", "doc.go"), "TLS_CA", config.CodeUnreadableFile, "PEM"},
	{"unknown time zone", env("TIME_ZONE", "Europe/"+marker), "TIME_ZONE", config.CodeBadValue, "IANA"},
	{"time zone of the machine", env("TIME_ZONE", "Local"), "TIME_ZONE", config.CodeBadValue, "IANA"},
	{"unknown unit", env("DURATION_UNIT", "second"), "DURATION_UNIT", config.CodeBadValue, "did you mean seconds?"},
	{"give up at once", env("GIVE_UP_AFTER", "0s"), "GIVE_UP_AFTER", config.CodeBadValue, "above zero"},
	{"unknown user policy", env("USER_DELETED", "delete"), "USER_DELETED", config.CodeBadValue, "archive, ignore, mark"},
	{"unknown org policy", env("ORG_DELETED", "Mark"), "ORG_DELETED", config.CodeBadValue, "did you mean mark?"},
	{"unknown log level", env("LOG_LEVEL", "warning"), "LOG_LEVEL", config.CodeBadValue, "debug, error, info, warn"},
	{"unknown log format", env("LOG_FORMAT", "jsno"), "LOG_FORMAT", config.CodeBadValue, "did you mean json?"},
	{"dry run in another word", env("DRY_RUN", "yes"), "DRY_RUN", config.CodeBadValue, "must be true or false"},
	{"no token", env("HUBSPOT_TOKEN", "-"), "HUBSPOT_TOKEN", config.CodeMissing, "is required"},
	{"token twice", env("HUBSPOT_TOKEN_FILE", "doc.go"), "HUBSPOT_TOKEN", config.CodeConflict, "CRMSYNC_HUBSPOT_TOKEN_FILE"},
	{"token file is missing", env("HUBSPOT_TOKEN", "-", "HUBSPOT_TOKEN_FILE", marker), "HUBSPOT_TOKEN_FILE", config.CodeUnreadableFile, "does not exist"},
	{"token file is a directory", env("HUBSPOT_TOKEN", "-", "HUBSPOT_TOKEN_FILE", "/"), "HUBSPOT_TOKEN_FILE", config.CodeUnreadableFile, "regular file"},
	{"token file is endless", env("HUBSPOT_TOKEN", "-", "HUBSPOT_TOKEN_FILE", "/dev/zero"), "HUBSPOT_TOKEN_FILE", config.CodeUnreadableFile, "more than 1 MiB"},
	{"file of what is no secret", env("STATE_FILE", marker), "STATE_FILE", config.CodeUnknownVariable, "did you mean CRMSYNC_STATE?"},
	{"token file is empty", env("HUBSPOT_TOKEN", "-", "HUBSPOT_TOKEN_FILE", os.DevNull), "HUBSPOT_TOKEN_FILE", config.CodeUnreadableFile, "empty file"},
	{"base URL without scheme", env("HUBSPOT_BASE_URL", "api.example.com"), "HUBSPOT_BASE_URL", config.CodeBadValue, "https://api.example.com"},
	{"base URL with a password", env("HUBSPOT_BASE_URL", "https://u:"+marker+"@h"), "HUBSPOT_BASE_URL", config.CodeBadValue, "without user"},
	{"base URL with a password and without encryption", env("HUBSPOT_BASE_URL", "http://u:"+marker+"@h"), "HUBSPOT_BASE_URL", config.CodeBadValue, "without user"},
	{"base URL with a query", env("HUBSPOT_BASE_URL", "https://h/?hapikey="+marker), "HUBSPOT_BASE_URL", config.CodeBadValue, "query"},
	{"default owner is an address", env("DEFAULT_OWNER", marker+"@sales.example"), "DEFAULT_OWNER", config.CodeBadValue, "the id of a user"},
	{"default owner is a secret", env("DEFAULT_OWNER", "pat-na1-"+marker), "DEFAULT_OWNER", config.CodeBadValue, "the id of a user"},
	{"what the adapter refuses", env("HUBSPOT_ID_FIELD", "id"), "HUBSPOT_ID_FIELD", config.CodeBadValue, "a field of your own"},
	{"mapping is not JSON", env("MAP_CONTACT", "{"+marker), "MAP_CONTACT", config.CodeBadValue, "not valid JSON near line 1, column 2"},
	{"mapping is a list", env("MAP_CONTACT", `["`+marker+`"]`), "MAP_CONTACT", config.CodeBadValue, "like {"},
	{"expression is a number", env("MAP_CONTACT", `{"a":1}`), "MAP_CONTACT", config.CodeBadValue, "wrong type"},
	{"expression is null", env("MAP_CONTACT", `{"a":null}`), "MAP_CONTACT", config.CodeBadValue, "wrong type"},
	{"field twice in JSON", env("MAP_CONTACT", `{"a":"1","a":"2"}`), "MAP_CONTACT", config.CodeBadValue, "twice"},
	{"two JSON objects", env("MAP_CONTACT", `{"a":"1"}{}`), "MAP_CONTACT", config.CodeBadValue, "goes on"},
	{"JSON field that begins with a blank", env("MAP_CONTACT", `{" a":"1"}`), "MAP_CONTACT", config.CodeBadValue, "name of a field"},
	{"JSON field with a line break", env("MAP_CONTACT", `{"a\nb":"1"}`), "MAP_CONTACT", config.CodeBadValue, "name of a field"},
	{"field set both ways", env("MAP_CONTACT", `{"email":"1"}`, "MAP_CONTACT_email", ""), "MAP_CONTACT_email", config.CodeConflict, "CRMSYNC_MAP_CONTACT"},
	{"off with a field", env("MAP_CONTACT", "off", "MAP_CONTACT_email", "user.email"), "MAP_CONTACT_email", config.CodeConflict, "switches off"},
	{"field without a name", env("MAP_CONTACT_", "user.id"), "MAP_CONTACT_", config.CodeUnknownVariable, "name of a field"},
	{"map file is missing", env("MAP_FILE", "/nowhere/"+marker), "MAP_FILE", config.CodeUnreadableFile, "does not exist"},
	{"map file is not JSON", env("MAP_FILE", "doc.go"), "MAP_FILE", config.CodeUnreadableFile, "not valid JSON"},
	{"unknown variable", env("FROBNICATE", marker), "FROBNICATE", config.CodeUnknownVariable, "config --example"},
}

// env returns variables from pairs, with their prefix.
func env(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m["CRMSYNC_"+pairs[i]] = pairs[i+1]
	}
	return m
}

func TestLoad_FindsEveryMistake(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			_, problems := load(t, m.env)
			if len(problems) != 1 {
				t.Fatalf("got %d problems, want 1: %v", len(problems), problems)
			}
			p := problems[0]
			if p.Variable != "CRMSYNC_"+m.variable || p.Code != m.code || !strings.Contains(p.Error(), m.says) {
				t.Errorf("got %s (%s), want CRMSYNC_%s … %s (%s)", p, p.Code, m.variable, m.says, m.code)
			}
			if strings.Contains(p.Error(), marker) {
				t.Errorf("prints the value: %v", p)
			}
			if p.Remedy == "" {
				t.Errorf("does not say what to do: %v", p)
			}
		})
	}
}

// thirty are mistakes in as many variables.
var thirty = env(
	"LISTEN_ADDR", marker, "ADMIN_ADDR", ":99999", "ADMIN_TOKEN", "short", "WEBHOOK_SECRETS", marker, "WEBHOOK_MAX_BYTES", "5MB",
	"STATE", "postgres://"+marker, "EVENT_RETENTION", "90d", "PAYLOAD_RETENTION", "-1h",
	"BATCH_SIZE", "101", "REQUEST_TIMEOUT", "30", "RATE_LIMIT", "fast", "SETTLE_TIME", marker, "TLS_CA", "/"+marker, "DRY_RUN", marker,
	"TIME_ZONE", marker, "DURATION_UNIT", marker, "GIVE_UP_AFTER", "never", "USER_DELETED", marker, "ORG_DELETED", marker,
	"LOG_LEVEL", marker, "LOG_FORMAT", marker,
	"MAP_CONTACT", "["+marker+"]", "MAP_ACTIVITY", marker, "MAP_COMPANY", "off", "MAP_COMPANY_name", marker, "MAP_FILE", "/"+marker,
	"HUBSPOT_TOKEN", "-", "HUBSPOT_TOKEN_FILE", "/"+marker, "HUBSPOT_BASE_URL", marker, "HUBSPOT_ID_FIELD", "id",
	"LISTEN_ADDRESS", marker, "FROBNICATE", marker,
)

// notWrong are variables of thirty that only make another one wrong, or unset.
var notWrong = []string{"CRMSYNC_MAP_COMPANY", "CRMSYNC_HUBSPOT_TOKEN"}

func TestLoad_FindsAllMistakesAtOnce(t *testing.T) {
	var want []string
	for _, name := range slices.Sorted(maps.Keys(thirty)) {
		if !slices.Contains(notWrong, name) {
			want = append(want, name)
		}
	}
	_, problems := load(t, thirty)
	var got []string
	for _, p := range problems {
		got = append(got, p.Variable)
	}
	if len(want) != 30 || !slices.Equal(got, want) {
		t.Errorf("got %d problems %v, want %d: %v", len(got), got, len(want), want)
	}
	if text := problems.Error(); strings.Count(text, "\n") != len(problems) || strings.Contains(text, marker) {
		t.Errorf("not one line for each of %d problems, or a value is printed:\n%s", len(problems), text)
	}
}

// TestLoad_FindsAnyMistakesAtOnce takes ten of the thirty.
func TestLoad_FindsAnyMistakesAtOnce(t *testing.T) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(thirty)), func(name string) bool {
		// These need another variable beside them.
		return slices.Contains(notWrong, name) || name == "CRMSYNC_MAP_COMPANY_name" || name == "CRMSYNC_HUBSPOT_TOKEN_FILE"
	})
	rapid.Check(t, func(rt *rapid.T) {
		ten := rapid.Permutation(names).Draw(rt, "names")[:10]
		some := map[string]string{}
		for _, name := range ten {
			some[name] = thirty[name]
		}
		slices.Sort(ten)
		_, problems := load(t, some)
		var got []string
		for _, p := range problems {
			got = append(got, p.Variable)
		}
		if !slices.Equal(got, ten) {
			rt.Fatalf("got %v, want %v", got, ten)
		}
	})
}

// TestLoad_LooksOnWithoutACRM finds what is wrong with the options of a CRM also
// while none is chosen, and does not ask for what may not be needed.
func TestLoad_LooksOnWithoutACRM(t *testing.T) {
	for _, crm := range []string{"-", "hubpsot", "salesforce"} {
		_, problems := load(t, env("CRM", crm, "HUBSPOT_TOKEN", "-", "HUBSPOT_BASE_URL", "nowhere", "OTHER_ID_FIELD", "id"))
		var got []string
		for _, p := range problems {
			got = append(got, p.Variable)
		}
		if !slices.Equal(got, []string{"CRMSYNC_CRM", "CRMSYNC_HUBSPOT_BASE_URL", "CRMSYNC_OTHER_ID_FIELD"}) {
			t.Errorf("CRM %s: got %v", crm, problems)
		}
	}
}

func TestLoad_UnderstandsMapFileMistakes(t *testing.T) {
	for text, says := range map[string]string{
		`{"contcat":{}}`:                     "none of activity, company, contact",
		`{"contact":{"a":1}}`:                "member contact has a value of the wrong type",
		`{"contact":"off"}`:                  "wrong type",
		"{\n \"contact\": {},\n \"contact\"": "not valid JSON near line 3",
		`{"contact":{},"contact":{}}`:        "twice",
		strings.Repeat(" ", 1<<20+1):         "more than 1 MiB",
		" ":                                  "empty file",
	} {
		_, problems := load(t, env("MAP_FILE", writeFile(t, text)))
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), says) {
			t.Errorf("%.30s: got %v, want %s", text, problems, says)
		}
	}
}

func TestLoad_SuggestsNames(t *testing.T) {
	for name, want := range map[string]string{
		"CRMSYNC_LISTN_ADDR":           "CRMSYNC_LISTEN_ADDR",
		"CRMSYNC_WEBHOOK_SECRET":       "CRMSYNC_WEBHOOK_SECRETS",
		"CRMSYNC_HUBPOST_TOKEN":        "CRMSYNC_HUBSPOT_TOKEN",
		"CRMSYNC_HUBSPOT_TOKEN_FIEL":   "CRMSYNC_HUBSPOT_TOKEN_FILE",
		"CRMSYNC_MAP_CONTCAT_email":    "CRMSYNC_MAP_CONTACT_email",
		"CRMSYNC_MAP_contact_my_field": "CRMSYNC_MAP_CONTACT_my_field",
		"CRMSYNC_FILTER_CALLS":         "CRMSYNC_FILTER_CALL",
		"crmsync_state":                "CRMSYNC_STATE",
		"crmsync_map_contact_jobTitle": "CRMSYNC_MAP_CONTACT_jobTitle",
		"CRMSYNC_MAP_CALL_title":       "CRMSYNC_MAP_ACTIVITY_title",
		"CRMSYNC_MAP_USER_jobTitle":    "CRMSYNC_MAP_CONTACT_jobTitle",
		"CRMSYNC_MAP_ORGS_name":        "CRMSYNC_MAP_COMPANY_name",
		"CRMSYNC_MAP_COMPANIES_name":   "CRMSYNC_MAP_COMPANY_name",
		"CRMSYNC_MAP_CONTACT-jobtitle": "CRMSYNC_MAP_CONTACT_jobtitle",
		"CRMSYNC_MAPCONTACT_jobtitle":  "CRMSYNC_MAP_CONTACT_jobtitle",
		"CRMSYNC_CONTACT_jobtitle":     "CRMSYNC_MAP_CONTACT_jobtitle",
		"CRMSYNC_MAP_CALL":             "CRMSYNC_MAP_ACTIVITY",
		"CRMSYNC_POLICY_CALL_title":    "CRMSYNC_POLICY_ACTIVITY_title",
		"CRMSYNC_POLICY_firstname":     "CRMSYNC_POLICY_CONTACT_firstname",
		"CRMSYNC_FILTER_CONTACT":       "CRMSYNC_FILTER_USER",
		"CRMSYNC_FILTER_COMPANY":       "CRMSYNC_FILTER_ORG",
		"CRMSYNC_DELETED_USER":         "CRMSYNC_USER_DELETED",
		"CRMSYNC_TOKEN":                "CRMSYNC_HUBSPOT_TOKEN",
		"CRMSYNC_HTTP_VERSION_MINIMUM": "",
	} {
		_, problems := load(t, map[string]string{name: marker})
		if len(problems) != 1 || problems[0].Variable != name {
			t.Errorf("%s: got %v", name, problems)
			continue
		}
		if got := problems[0].Remedy; (want != "" && got != "did you mean "+want+"?") || (want == "" && strings.Contains(got, "mean")) {
			t.Errorf("%s: got remedy %q, want %s", name, got, want)
		}
	}
}

func TestLoad_TakesEmptyUnknownVariablesAsUnset(t *testing.T) {
	loadGood(t, map[string]string{"CRMSYNC_SOMETHING": ""})
	if _, problems := load(t, map[string]string{"CRMSYNC_MAP_CONTCAT_email": ""}); len(problems) != 1 {
		t.Errorf("an empty mapping variable removes a field, so a typo matters: got %v", problems)
	}
}

// TestLoad_NeverPrintsValues puts marked values of many shapes everywhere (I8).
func TestLoad_NeverPrintsValues(t *testing.T) {
	clearEnv(t)
	names := config.Variables(options().Adapters)
	names = append(names, "CRMSYNC_MAP_CONTACT_email", "CRMSYNC_MAP_COMPANY_x", "CRMSYNC_UNKNOWN")
	shapes := []string{
		"%s", `"%s"`, "http://%s", "https://u:%s@host/", "postgres://%s", `{"a":"%s"`, `{"a":%s}`, `["%s"]`,
		"/%s/", "%s:99999", "127.0.0.1:%s", "whsec_%s", "whsec_,%s", "1%s", "5/%s", "%s/5s", "hubspo%s", "\x00%s\n", "%%%s",
	}
	rapid.Check(t, func(rt *rapid.T) {
		defer func() {
			for _, name := range names {
				os.Unsetenv(name)
			}
		}()
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID[string]).Draw(rt, "names") {
			text := fmt.Sprintf(rapid.SampledFrom(shapes).Draw(rt, name), marker)
			os.Setenv(name, strings.ReplaceAll(text, "\x00", ""))
		}
		if rapid.Bool().Draw(rt, "with CRM") {
			os.Setenv("CRMSYNC_CRM", "hubspot")
		}
		cfg, err := config.Load(options())
		if err != nil && strings.Contains(err.Error(), marker) {
			rt.Fatalf("error prints a value: %v", err)
		}
		for _, w := range cfg.Warnings {
			if strings.Contains(w.Error(), marker) {
				rt.Fatalf("warning prints a value: %v", w)
			}
		}
	})
}

// TestConfig_NeverPrintsSecrets looks at every way to print a Config (I8).
func TestConfig_NeverPrintsSecrets(t *testing.T) {
	setEnv(t, env("HUBSPOT_TOKEN", marker, "ADMIN_TOKEN", marker+marker, "WEBHOOK_SECRETS", "whsec_"+marker))
	o := options()
	o.CheckSecret = nil
	cfg, err := config.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	if string(cfg.AdminToken) != marker+marker || cfg.Options.(*fakeOptions).Token != marker {
		t.Fatal("the secrets were not read")
	}
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "config", cfg, "secret", cfg.AdminToken, "all", cfg.WebhookSecrets)
	encoded, err := cfg.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{
		log.String(), string(encoded), cfg.String(), fmt.Sprint(cfg.Redacted()), fmt.Sprint(cfg.AdminToken),
		fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, cfg, cfg),
		fmt.Sprintf("%v %+v %s", *cfg, *cfg, cfg.WebhookSecrets),
		fmt.Sprintf("%#v %q", cfg.WebhookSecrets, cfg.WebhookSecrets),
	}
	for i, text := range texts {
		if strings.Contains(text, marker) {
			t.Errorf("text %d holds a secret: %s", i, text)
		}
	}
	if !strings.Contains(cfg.String(), "CRMSYNC_HUBSPOT_TOKEN=set\n") {
		t.Errorf("does not say that the token is set:\n%s", cfg)
	}
}

func TestConfig_LogsNoExpressions(t *testing.T) {
	c := loadGood(t, env("FILTER_USER", `user.email != "`+marker+`"`, "MAP_CONTACT_email", marker, "STATE", "other.db"))
	if got := c.LogValue().String(); strings.Contains(got, marker) || !strings.Contains(got, "CRMSYNC_STATE=other.db") {
		t.Errorf("logs %s", got)
	}
}

func TestErrors_ReadsAsList(t *testing.T) {
	_, problems := load(t, env("CRM", "-", "STATE", "x/"))
	want := "2 problems in the configuration:\n" +
		"  CRMSYNC_CRM: is required; set it to one of hubspot, sandbox, other\n" +
		"  CRMSYNC_STATE: must be the path of a file, such as /data/crmsync.db; remove it to have the default, crmsync.db"
	if got := problems.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
