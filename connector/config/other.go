package config

import (
	"slices"
	"strings"
)

// knownCRMs are the CRMs that any version of crmsync writes to. Their names
// are known here so that the environment of another version is understood: as
// a CRM that is not supported, with variables that are not used.
var knownCRMs = []string{
	"hubspot", "salesforce", "dynamics", "pipedrive", "rest",
	"twenty", "espocrm", "suitecrm", "odoo", "zoho", "attio", "sandbox",
}

// otherCRM returns the CRM, none of those on offer, that a variable belongs to.
func (l *loader) otherCRM(variable string) (name string, ok bool) {
	offered := adapterNames(l.Adapters)
	for _, name := range knownCRMs {
		if !slices.Contains(offered, name) && strings.HasPrefix(variable, (Adapter{Name: name}).prefix()) {
			return name, true
		}
	}
	return "", false
}

// warnOtherCRMs names the variables of CRMs that are not in use.
func (l *loader) warnOtherCRMs(chosen *Adapter) {
	const remedy = "remove it unless another connector shares this environment"
	for _, a := range l.Adapters {
		if chosen == nil || a.Name == chosen.Name {
			continue
		}
		for _, variable := range variables(a.settings()) {
			if l.env[variable] != "" {
				l.warn(variable, CodeOtherCRM, "belongs to "+a.Name+" and is not used", remedy)
			}
		}
	}
	for variable, text := range l.env {
		if name, ok := l.otherCRM(variable); ok && text != "" {
			l.warn(variable, CodeOtherCRM, "belongs to "+name+", which this version does not support, and is not used", remedy)
		}
	}
	Errors(l.cfg.Warnings).sort()
}
