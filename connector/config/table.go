package config

import (
	"reflect"
	"strings"

	"crmsync/crm"
)

const (
	prefix       = "CRMSYNC_"
	fileSuffix   = "_FILE"
	mapPrefix    = prefix + "MAP_"
	policyPrefix = prefix + "POLICY_"
	filterPrefix = prefix + "FILTER_"
)

// input is the table of the settings that do not depend on the CRM. envconfig
// fills it: a field's name, split into words, is the variable, and the name tag
// repeats it for everything else. There are no envconfig name tags, because
// those fall back to the variable without the prefix. The tag mandatory is what
// required is for adapters: envconfig has a meaning for that one, and would stop
// at the first.
type input struct {
	CRM            value `split_words:"true" name:"CRM" mandatory:"true" group:"Required" help:"The CRM to write to (sandbox is one in memory, for trying out):"`
	WebhookSecrets value `split_words:"true" name:"WEBHOOK_SECRETS" secret:"true" mandatory:"true" group:"Required" example:"whsec_…" help:"Signing secret of the webhook endpoint, as the page of the endpoint shows it: whsec_… (a shared secret of 24 bytes or more) or whpk_… (an ed25519 public key). Several, separated by commas, are for rotation: name the new one beside the old one."`

	ListenAddr      value `split_words:"true" name:"LISTEN_ADDR" default:":8080" group:"Receiving" help:"Address of the public listener. It serves /webhooks, /healthz and /readyz, nothing else."`
	WebhookMaxBytes value `split_words:"true" name:"WEBHOOK_MAX_BYTES" default:"5242880" group:"Receiving" help:"Largest accepted webhook in bytes. Larger ones are answered with 413."`
	AdminAddr       value `split_words:"true" name:"ADMIN_ADDR" default:"127.0.0.1:8081" group:"Receiving" help:"Address of the admin listener: /metrics, /api/v1 and health. It is not for the internet. off disables it."`
	AdminToken      value `split_words:"true" name:"ADMIN_TOKEN" secret:"true" group:"Receiving" help:"Token of 16 characters or more that the admin listener asks for (Authorization: Bearer …). Required when its address is not loopback. openssl rand -hex 32 makes one."`

	State            value `split_words:"true" name:"STATE" default:"crmsync.db" group:"Memory" help:"File that remembers events and CRM records. In a container it belongs on a volume: without it every event is new again."`
	EventRetention   value `split_words:"true" name:"EVENT_RETENTION" default:"2160h" group:"Memory" help:"How long the ids of ended events are kept, to recognise repetitions. h is the largest unit: 90 days are 2160h."`
	PayloadRetention value `split_words:"true" name:"PAYLOAD_RETENTION" default:"168h" group:"Memory" help:"How long the payloads of ended events are kept, for replay. Those of dead events stay while they are dead, and those that the records in the CRM come from stay for resync. 0 keeps only those of dead events: the others go within seconds, and nothing can be resynced."`

	DryRun         value `split_words:"true" name:"DRY_RUN" default:"false" group:"Writing" help:"With true, a rehearsal: accept, map, plan and read, write nothing. Events stay pending; crmsync status and crmsync explain say what would be written."`
	BatchSize      value `split_words:"true" name:"BATCH_SIZE" unset:"the CRM's maximum" example:"50" group:"Writing" help:"Records per request."`
	RequestTimeout value `split_words:"true" name:"REQUEST_TIMEOUT" default:"30s" group:"Writing" help:"How long one request to the CRM may take: 1s to 10m."`
	RateLimit      value `split_words:"true" name:"RATE_LIMIT" unset:"the CRM's own" example:"100/10s" group:"Writing" help:"Requests per time, such as 100/10s. off paces nothing; the CRM's refusals are respected all the same."`
	SettleTime     value `split_words:"true" name:"SETTLE_TIME" default:"120s" group:"Writing" help:"Only for CRMs without upsert: how long after an unanswered create to look for the record. Not below the request timeout."`
	GiveUpAfter    value `split_words:"true" name:"GIVE_UP_AFTER" default:"24h" group:"Writing" help:"How long one record may keep failing while others succeed before its event becomes a dead letter."`
	TLSCa          value `split_words:"true" name:"TLS_CA" group:"Writing" example:"/etc/crmsync/ca.pem" help:"PEM file of a private certificate authority to trust beside the public ones. A proxy is named by HTTPS_PROXY and NO_PROXY."`

	TimeZone     value `split_words:"true" name:"TIME_ZONE" default:"UTC" group:"Events" help:"Time zone of dates without a time, such as Europe/Berlin."`
	DurationUnit value `split_words:"true" name:"DURATION_UNIT" default:"seconds" group:"Events" help:"Unit of call.stats.duration in the events: seconds, milliseconds or minutes."`
	UserDeleted  value `split_words:"true" name:"USER_DELETED" default:"mark" group:"Events" help:"What a deleted user does to its contact: mark writes the mapping with deleted true, archive archives the record in the CRM, ignore does nothing."`
	OrgDeleted   value `split_words:"true" name:"ORG_DELETED" default:"mark" group:"Events" help:"What a deleted organisation does to its company: mark, archive or ignore."`
	FilterCall   value `split_words:"true" name:"FILTER_CALL" group:"Events" example:"(call.stats.duration ?? 0) >= 120" help:"Expression that yields true or false; see Mapping below for its language. Calls for which it is false are skipped."`
	FilterUser   value `split_words:"true" name:"FILTER_USER" group:"Events" example:"lower(user.role ?? \"\") != \"admin\"" help:"The same for users. A call then creates no contact for a user for which it is false."`
	FilterOrg    value `split_words:"true" name:"FILTER_ORG" group:"Events" example:"not (lower(org.name ?? \"\") contains \"test\")" help:"The same for organisations."`

	LogLevel  value `split_words:"true" name:"LOG_LEVEL" default:"info" group:"Logging" help:"Least important level that is logged: debug, info, warn or error."`
	LogFormat value `split_words:"true" name:"LOG_FORMAT" default:"json" group:"Logging" help:"Form of the log: json, or text for people."`

	MapContact   value `split_words:"true" name:"MAP_CONTACT" group:"Mapping" example:"{\"Job Title\": \"user.role\", \"email\": \"\"}" help:"JSON object {\"field\": \"expression\"} for contact fields whose names a variable cannot carry; an empty expression removes a field. off writes no contacts at all."`
	MapActivity  value `split_words:"true" name:"MAP_ACTIVITY" group:"Mapping" help:"The same for call activities."`
	MapCompany   value `split_words:"true" name:"MAP_COMPANY" group:"Mapping" example:"off" help:"The same for companies."`
	DefaultOwner value `split_words:"true" name:"DEFAULT_OWNER" group:"Mapping" help:"CRM id of the owner of records for whose address owner(email) finds nobody. It has to be an active person, not a team or a queue: crmsync check tells."`
	MapFile      value `split_words:"true" name:"MAP_FILE" group:"Mapping" example:"/etc/crmsync/mapping.json" help:"JSON file {\"contact\": {…}, \"activity\": {…}, \"company\": {…}} of such objects. The variables win over it."`
}

// setting is one row of the table: what is known about a variable before the
// environment is read.
type setting struct {
	variable  string // such as CRMSYNC_LISTEN_ADDR
	fallback  string // the value when it is not set
	unset     string // what a missing value without fallback means, in words
	example   string // a value to start from, where the fallback is none
	group     string // heading in documents
	help      string
	secret    bool // redacted, and can come from a file
	mandatory bool
	usual     bool // one of several ways, of which one is required: the usual one
	key       bool // names the CRM field that holds our ids
}

// remedy says how to correct a value.
func (s setting) remedy() string {
	switch {
	case s.example != "":
		return "for example " + s.variable + "=" + s.example
	case s.fallback != "":
		return "remove it to have the default, " + s.fallback
	}
	return "crmsync config --example explains it"
}

// settingsOf returns a row for every field of struct type t that has a name tag,
// in order.
func settingsOf(t reflect.Type, prefix string) []setting {
	var rows []setting
	for f := range t.Fields() {
		tag := f.Tag
		if name := tag.Get("name"); name != "" {
			rows = append(rows, setting{
				variable:  prefix + name,
				fallback:  tag.Get("default"),
				unset:     tag.Get("unset"),
				example:   tag.Get("example"),
				group:     tag.Get("group"),
				help:      tag.Get("help"),
				secret:    tag.Get("secret") == "true",
				mandatory: tag.Get("required") == "true" || tag.Get("mandatory") == "true",
				usual:     tag.Get("required") == "either",
				key:       tag.Get("key") == "true",
			})
		}
	}
	return rows
}

// coreSettings returns the rows of input.
func coreSettings() []setting { return settingsOf(reflect.TypeFor[input](), prefix) }

// settings returns the rows of the adapter's options.
func (a Adapter) settings() []setting {
	if a.Options == nil {
		return nil
	}
	return settingsOf(reflect.TypeOf(a.Options).Elem(), a.prefix())
}

// prefix is what the variables of the adapter begin with.
func (a Adapter) prefix() string { return prefix + strings.ToUpper(a.Name) + "_" }

// policyFieldPrefix is what the variables of the policies of an object's fields
// begin with.
func policyFieldPrefix(object crm.Object) string {
	return policyPrefix + strings.ToUpper(string(object)) + "_"
}

// fieldPrefix is what the variables of single fields of an object begin with.
func fieldPrefix(object crm.Object) string {
	return mapPrefix + strings.ToUpper(string(object)) + "_"
}
