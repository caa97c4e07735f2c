package hubspot

import (
	"cmp"
	"errors"
	"regexp"
	"strings"

	"crmsync/crm"
	"crmsync/crm/internal/transport"
)

// Defaults of the Options, as in their tags.
const (
	defaultBaseURL    = "https://api.hubapi.com"
	defaultAPIVersion = "2026-09"
	defaultIDProperty = "crmsync_id"
	legacyVersion     = "v3"
)

// Options are the settings of this adapter. Every field is a string: the tags
// drive how it is read from the environment, documented and redacted.
type Options struct {
	Token        string `name:"TOKEN" secret:"true" required:"either" help:"service key, or token of a private app. HubSpot makes one under Settings, Development, Keys. It needs the scopes crm.objects.contacts and crm.objects.companies (read and write) and crm.objects.owners.read; crmsync setup also needs crm.schemas.contacts and crm.schemas.companies (read and write). Required, unless the next three are set: then leave it empty"`
	ClientID     string `name:"CLIENT_ID" help:"client id of an OAuth app of yours that is installed in the account: the other way to sign in, instead of the token, together with the next two. HubSpot shows it in the auth settings of the app. The app needs the same scopes"`
	ClientSecret string `name:"CLIENT_SECRET" secret:"true" help:"client secret of the OAuth app, beside its client id in the auth settings of the app"`
	RefreshToken string `name:"REFRESH_TOKEN" secret:"true" help:"refresh token of the account: HubSpot hands it to the OAuth app when it is installed, as refresh_token in the answer that the code is exchanged for. Access tokens are then got and renewed by crmsync. Not the access token, which ends after half an hour"`
	BaseURL      string `name:"BASE_URL" default:"https://api.hubapi.com" help:"where HubSpot's API is"`
	APIVersion   string `name:"API_VERSION" default:"2026-09" help:"version of the API, such as 2026-09; v3 uses the v3 and v4 paths"`
	IDProperty   string `name:"ID_PROPERTY" key:"true" default:"crmsync_id" help:"unique property that holds the id of the call, user or organisation; setup creates it"`
}

var (
	datedVersion = regexp.MustCompile(`^20[0-9]{2}-(0[1-9]|1[0-2])$`)
	propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	tokenForm    = regexp.MustCompile(`^[\x21-\x7e]+$`)
)

// Validate returns everything that is wrong with the options, empty ones
// standing for their defaults. Values are never quoted.
func (o Options) Validate() []*crm.OptionError {
	o = o.withDefaults()
	var problems []*crm.OptionError
	report := func(name, message string) {
		problems = append(problems, &crm.OptionError{Name: name, Message: message})
	}
	o.validateCredentials(report)
	if _, err := transport.ParseBaseURL(o.BaseURL); err != nil {
		report("BASE_URL", err.Error())
	}
	if o.APIVersion != legacyVersion && !datedVersion.MatchString(o.APIVersion) {
		report("API_VERSION", "must be v3 or the year and month of a version, such as 2026-09")
	}
	switch {
	case !propertyName.MatchString(o.IDProperty):
		report("ID_PROPERTY", "must be an internal property name: lower-case letters, digits and _")
	case o.IDProperty == emailProperty || strings.HasPrefix(o.IDProperty, "hs_") || o.IDProperty == "domain":
		report("ID_PROPERTY", "must be a property of its own: HubSpot's own ones cannot hold our ids")
	}
	return problems
}

// validateCredentials wants either a token or all of an OAuth app.
func (o Options) validateCredentials(report func(name, message string)) {
	const app = "CRMSYNC_HUBSPOT_CLIENT_ID, CRMSYNC_HUBSPOT_CLIENT_SECRET and CRMSYNC_HUBSPOT_REFRESH_TOKEN"
	type credential struct{ name, value string }
	wanted, missing := []credential{{"TOKEN", o.Token}}, "is required, unless "+app+" of an OAuth app are set"
	if o.oauth() {
		if o.Token != "" {
			report("TOKEN", "is one way to sign in, "+app+" are the other: remove it, or them")
			return
		}
		wanted = []credential{{"CLIENT_ID", o.ClientID}, {"CLIENT_SECRET", o.ClientSecret}, {"REFRESH_TOKEN", o.RefreshToken}}
		missing = "is required: an OAuth app needs " + app
	}
	for _, c := range wanted {
		switch {
		case c.value == "":
			report(c.name, missing)
		case !tokenForm.MatchString(c.value):
			report(c.name, "holds spaces or other characters that HubSpot does not use in it: copy it again")
		}
	}
}

// oauth reports whether anything of an OAuth app is set.
func (o Options) oauth() bool {
	return o.ClientID != "" || o.ClientSecret != "" || o.RefreshToken != ""
}

func (o Options) withDefaults() Options {
	o.BaseURL = cmp.Or(o.BaseURL, defaultBaseURL)
	o.APIVersion = cmp.Or(o.APIVersion, defaultAPIVersion)
	o.IDProperty = cmp.Or(o.IDProperty, defaultIDProperty)
	return o
}

// joined makes one error of all problems, nil of none.
func joined(problems []*crm.OptionError) error {
	var all []error
	for _, p := range problems {
		all = append(all, p)
	}
	return errors.Join(all...)
}
