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
	Token      string `name:"TOKEN" secret:"true" required:"true" help:"service key or private app token with the scopes crm.objects.contacts, crm.objects.companies (read and write) and crm.objects.owners.read; setup also needs crm.schemas.contacts and crm.schemas.companies"`
	BaseURL    string `name:"BASE_URL" default:"https://api.hubapi.com" help:"where HubSpot's API is"`
	APIVersion string `name:"API_VERSION" default:"2026-09" help:"version of the API, such as 2026-09; v3 uses the v3 and v4 paths"`
	IDProperty string `name:"ID_PROPERTY" key:"true" default:"crmsync_id" help:"unique property that holds the id of the call, user or organisation; setup creates it"`
}

var (
	datedVersion = regexp.MustCompile(`^20[0-9]{2}-[0-9]{2}$`)
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
	switch {
	case o.Token == "":
		report("TOKEN", "is required")
	case !tokenForm.MatchString(o.Token):
		report("TOKEN", "holds spaces or other characters that no token has")
	}
	if _, err := transport.ParseBaseURL(o.BaseURL); err != nil {
		report("BASE_URL", err.Error())
	}
	if o.APIVersion != legacyVersion && !datedVersion.MatchString(o.APIVersion) {
		report("API_VERSION", "must be v3 or a version such as 2026-09")
	}
	switch {
	case !propertyName.MatchString(o.IDProperty):
		report("ID_PROPERTY", "must be an internal property name: lower-case letters, digits and _")
	case o.IDProperty == emailProperty || strings.HasPrefix(o.IDProperty, "hs_") || o.IDProperty == "domain":
		report("ID_PROPERTY", "must be a property of its own: HubSpot's own ones cannot hold our ids")
	}
	return problems
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
