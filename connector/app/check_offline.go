package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
)

// examination is one run of check.
type examination struct {
	cfg   *config.Config
	found []finding

	mapped     bool // there is a mapping to look at
	reachable  bool // nothing is wrong with how the CRM is reached
	doubtful   bool // but for something that it may do without
	stateSound bool
	rules      connector.Check
}

func (e *examination) add(found ...finding) { e.found = append(e.found, found...) }

// checkConfig looks at variables, expressions and the place of the state file:
// what every command that needs the whole configuration refuses to start with.
func checkConfig() (*config.Config, []finding) {
	e := examineConfig()
	return e.cfg, e.found
}

func examineConfig() *examination {
	e := &examination{}
	e.checkVariables()
	e.checkExpressions()
	inPlace := checkStatePath(e.cfg.State)
	e.stateSound = e.cfg.State != "" && len(inPlace) == 0
	e.add(inPlace...)
	for _, w := range e.cfg.Warnings { // below what stops the connector
		e.add(problemFinding(connector.SeverityWarning, w))
	}
	return e
}

// examineOffline looks at what needs no CRM, apart from the mapping, of which a
// schema tells more.
func examineOffline(ctx context.Context) (*examination, error) {
	e := examineConfig()
	if !e.stateSound {
		return e, nil
	}
	bound, wrong := checkStateFile(ctx, e.cfg.State)
	e.rules.Bound = bound != nil
	e.add(wrong...)
	e.stateSound = len(wrong) == 0
	if countErrors(e.found) > 0 {
		return e, nil // without a sound configuration there is no account to compare with
	}
	wrong, err := checkBinding(ctx, e.cfg, bound)
	e.add(wrong...)
	e.stateSound = e.stateSound && len(wrong) == 0
	return e, err
}

// checkVariables reads the configuration.
func (e *examination) checkVariables() {
	cfg, err := loadConfig()
	e.cfg, e.mapped, e.reachable = cfg, true, true
	problems, ok := errors.AsType[config.Errors](err)
	if err != nil && !ok {
		e.mapped, e.reachable = false, false
		e.add(finding{Finding: connector.Finding{Severity: connector.SeverityError, Code: "unreadable", Message: err.Error()}})
	}
	for _, p := range problems {
		e.add(problemFinding(connector.SeverityError, p))
		if p.Code == config.CodeUnknownVariable || p.Recovered {
			continue // all others are read
		}
		e.reachable = e.reachable && !e.concernsClient(p.Variable)
		e.doubtful = e.doubtful || p.Variable == "CRMSYNC_TLS_CA"
	}
}

// concernsClient reports whether the CRM cannot be asked without a variable.
func (e *examination) concernsClient(variable string) bool {
	return variable == "CRMSYNC_CRM" ||
		strings.HasPrefix(variable, "CRMSYNC_"+strings.ToUpper(e.cfg.CRM)+"_") || strings.HasSuffix(strings.ToUpper(variable), "_PROXY")
}

// checkExpressions reads the mapping. What cannot be read is set aside, so that
// the rest can be looked at in the same run.
func (e *examination) checkExpressions() {
	e.rules.UserDeleted, e.rules.OrgDeleted = connector.DeletePolicy(e.cfg.UserDeleted), connector.DeletePolicy(e.cfg.OrgDeleted)
	e.rules.Unread, e.rules.DefaultOwner = e.cfg.Unread, e.cfg.DefaultOwner
	var err error
	e.rules.Mapper, err = mapping.New(e.cfg.Mapping)
	mistakes, ok := errors.AsType[mapping.Errors](err)
	if !ok {
		return
	}
	for _, m := range mistakes {
		e.add(expressionFinding(m))
	}
	readable := e.cfg.Mapping
	readable.Filters = maps.Clone(readable.Filters)
	maps.DeleteFunc(readable.Filters, func(_ mapping.Kind, x mapping.Expression) bool {
		return slices.ContainsFunc(mistakes, func(m *mapping.ExpressionError) bool { return m.Variable == x.Variable })
	})
	readable.Fields, e.rules.Broken = setAside(mistakes, e.cfg.Mapping.Fields)
	e.rules.Mapper, err = mapping.New(readable)
	e.mapped = e.mapped && err == nil
}

// setAside parts the fields whose expressions cannot be read from the others.
func setAside(mistakes mapping.Errors, all connector.Expressions) (readable, broken connector.Expressions) {
	readable, broken = connector.Expressions{}, connector.Expressions{}
	for object, fields := range all {
		readable[object], broken[object] = map[string]mapping.Expression{}, map[string]mapping.Expression{}
		for field, x := range fields {
			to := readable[object]
			if slices.ContainsFunc(mistakes, func(m *mapping.ExpressionError) bool { return m.Object == object && m.Field == field }) {
				to = broken[object]
			}
			to[field] = x
		}
	}
	return readable, broken
}

// checkMapping looks at the mapping without the CRM.
func (e *examination) checkMapping() {
	for _, object := range crm.Objects() {
		e.checkObject(object, nil)
	}
}

// checkObject looks at the mapping of one object, as far as it is known. Without
// a schema (nil) that is less.
func (e *examination) checkObject(object crm.Object, schema *crm.Schema) {
	if !e.mapped || e.rules.Mapper.Off(object) {
		return
	}
	for _, f := range e.rules.Object(object, schema) {
		e.add(finding{Finding: f})
	}
}

func problemFinding(severity string, p *config.Problem) finding {
	object, field := p.Subject()
	return finding{Finding: connector.Finding{
		Severity: severity, Variable: p.Variable, Object: string(object), Field: field, Code: p.Code, Message: p.Message, Remedy: p.Remedy,
	}}
}
