package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"crmsync/crm"
)

// Source is where a setting comes from.
type Source string

// The sources.
const (
	FromDefault     Source = "default"
	FromEnvironment Source = "environment"
	FromFile        Source = "file"   // of X_FILE, or of CRMSYNC_MAP_FILE
	FromPreset      Source = "preset" // of the CRM
)

// InForce is one setting as it applies. The Value of a secret is "set" or "not
// set", that of a mapping in JSON is "JSON": its fields have entries of their own.
type InForce struct {
	Variable string     `json:"variable"`
	Value    string     `json:"value"`
	Source   Source     `json:"source"`
	Object   crm.Object `json:"object,omitempty"` // "" unless it is the expression of a field
	Field    string     `json:"field,omitempty"`
}

// Redacted returns the settings in force in the order of the documents, then the
// mapping field by field. It holds no secret (I8).
func (c *Config) Redacted() []InForce { return slices.Clone(c.inForce) }

// String returns the settings in force, one on a line, without secrets.
func (c *Config) String() string {
	var b strings.Builder
	for _, s := range c.inForce {
		fmt.Fprintf(&b, "%s=%s\n", s.Variable, s.Value)
	}
	return b.String()
}

// GoString is String, for %#v.
func (c *Config) GoString() string { return c.String() }

// MarshalJSON encodes the settings in force, without secrets.
func (c *Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.inForce) }

// LogValue returns the settings that differ from their defaults, without secrets
// and without expressions, which are long and may name people.
func (c *Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, s := range c.inForce {
		expression := strings.HasPrefix(s.Variable, mapPrefix) || strings.HasPrefix(s.Variable, filterPrefix)
		if s.Source != FromDefault && !expression {
			attrs = append(attrs, slog.String(s.Variable, s.Value))
		}
	}
	return slog.GroupValue(attrs...)
}

// remember keeps what is shown of a setting. Secrets are replaced here, so that
// the list never holds one.
func (l *loader) remember(v *value) {
	shown := cmp.Or(v.text, v.unset)
	if v.secret {
		shown = "not set"
		if v.text != "" {
			shown = "set"
		}
	}
	if strings.HasPrefix(shown, "{") && strings.HasPrefix(v.variable, mapPrefix) {
		shown = "JSON"
	}
	l.cfg.inForce = append(l.cfg.inForce, InForce{Variable: v.variable, Value: shown, Source: v.source})
}

// rememberMaximum tells the records per request that a CRM takes, where they are
// in force.
func (l *loader) rememberMaximum(a *Adapter) {
	if a == nil || a.MaxBatch == 0 || l.in.BatchSize.text != "" {
		return
	}
	i := slices.IndexFunc(l.cfg.inForce, func(s InForce) bool { return s.Variable == l.in.BatchSize.variable })
	l.cfg.inForce[i].Value = strconv.Itoa(a.MaxBatch)
}

// rememberMapping adds the mapping, after all layers.
func (l *loader) rememberMapping() {
	for _, object := range crm.Objects() {
		fields := l.cfg.Mapping.Fields[object]
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			e, variable := fields[field], fieldPrefix(object)+field
			source := FromPreset
			if _, set := l.env[e.Variable]; set {
				source = FromEnvironment
			}
			if e.Variable == l.in.MapFile.variable {
				source = FromFile
			}
			l.cfg.inForce = append(l.cfg.inForce, InForce{variable, e.Source, source, object, field})
		}
	}
}
