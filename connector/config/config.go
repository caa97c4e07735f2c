package config

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/kelseyhightower/envconfig"

	"crmsync/crm"
	"crmsync/mapping"
)

// Config is everything that can be set, parsed.
type Config struct {
	ListenAddr      string
	AdminAddr       string // "" when the admin listener is off
	AdminToken      Secret
	WebhookSecrets  []Secret // one or more, in the order given
	WebhookMaxBytes int64

	State            string // path of the state file
	EventRetention   time.Duration
	PayloadRetention time.Duration // 0 keeps no payloads

	CRM        string     // name of one of the adapters
	Options    any        // the chosen adapter's Options, filled; nil when it has none
	Common     crm.Common // what every adapter understands
	SettleTime time.Duration
	DryRun     bool // write nothing to the CRM; events stay pending

	Mapping mapping.Config
	// Unread are the objects of whose mapping a part could not be read: what it
	// lacks is not known.
	Unread       map[crm.Object]bool
	DefaultOwner string // CRM id; "" for none
	GiveUpAfter  time.Duration
	UserDeleted  DeletePolicy
	OrgDeleted   DeletePolicy

	LogLevel  slog.Level
	LogFormat string // LogJSON or LogText

	Warnings []*Problem // nothing that stops the connector

	inForce []InForce
}

// DeletePolicy is what the deletion of a user or an organisation does.
type DeletePolicy string

// The policies.
const (
	DeleteMark    DeletePolicy = "mark"    // write the mapping with deleted true
	DeleteArchive DeletePolicy = "archive" // delete or archive in the CRM
	DeleteIgnore  DeletePolicy = "ignore"  // do nothing
)

// The log formats.
const (
	LogJSON = "json"
	LogText = "text"
)

// Adapter is what the configuration has to know about one CRM.
type Adapter struct {
	// Name is the value of CRMSYNC_CRM and, in upper case, part of the names of
	// the adapter's variables.
	Name string
	// Options points to a struct, or is nil. Each string field with a name tag
	// is read from CRMSYNC_<NAME>_<tag>; the tags default, help, secret:"true"
	// and required:"true" describe it (required:"either" is the usual one of
	// several ways, of which Validate wants one), and key:"true" marks the name of the CRM
	// field that holds our ids. A method Validate, if there is one, looks for
	// mistakes in the filled options: see Validator.
	Options any
	// Preset is the default mapping, as the lines of an environment file.
	Preset string
	// MaxBatch is the most records that the CRM takes in one request, 0 when
	// it has no limit of its own.
	MaxBatch int
}

// Validator is implemented by options that know what is wrong with them.
type Validator interface {
	Validate() []*crm.OptionError
}

// LoadOptions says what the configuration is read for.
type LoadOptions struct {
	Adapters []Adapter // the CRMs on offer
	// CheckSecret says what is wrong with one webhook secret, to be read after
	// "secret 2 of 3" and without quoting it. nil accepts any.
	CheckSecret func(secret string) error
	// Only limits the problems to those of these variables: a command that
	// only looks at the state must work while the rest is not configured. The
	// other members of the Config may then be empty. nil means all.
	Only []string
}

// Load reads the environment. With problems (an [Errors]) the Config holds what
// could be read, so that a caller can go on looking for mistakes in the mapping.
func Load(o LoadOptions) (*Config, error) {
	l := newLoader(o, environ())
	if err := envconfig.Process("crmsync", &l.in); err != nil {
		// A value takes any text, so this is a mistake in the table.
		return nil, fmt.Errorf("read environment: %w", err)
	}
	l.load()
	l.unknown()
	if o.Only != nil {
		l.problems = l.problems.about(o.Only)
	}
	if len(l.problems) > 0 {
		l.problems.sort()
		return l.cfg, l.problems
	}
	return l.cfg, nil
}

// Defaults returns what is in force when nothing is set but the CRM, without
// looking at the environment: what the demo and tests start from. There are no
// webhook secrets in it.
func Defaults(a Adapter) (*Config, error) {
	l := newLoader(LoadOptions{Adapters: []Adapter{a}}, nil)
	l.in.CRM.text = a.Name
	l.load()
	secrets := l.in.WebhookSecrets.variable
	for _, p := range l.problems {
		if p.Variable != secrets {
			return nil, fmt.Errorf("defaults of %s: %w", a.Name, p)
		}
	}
	return l.cfg, nil
}
