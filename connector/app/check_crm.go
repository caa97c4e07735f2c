package app

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"crmsync/connector"
	"crmsync/crm"
)

// askCRM asks the CRM: do the credentials work and may they write, is it the
// account that the state belongs to, does the mapping fit the schema.
func (e *examination) askCRM(ctx context.Context) error {
	client, err := openClient(ctx, e.cfg, nil)
	if err != nil {
		return err
	}
	defer func() { _ = closeClient(client) }() // nothing is lost by it
	if err := client.Ping(ctx); err != nil {
		if !e.doubtful || crm.AsError(err).Kind != crm.Unavailable { // else it is the consequence
			e.add(crmFinding(e.cfg, "", err))
		}
		if !mayOtherwise(err) {
			e.checkMapping()
			return ctx.Err()
		}
	} else if e.stateSound {
		e.add(checkAccount(ctx, e.cfg, client)...)
	}
	a, _ := adapterOf(e.cfg) // without hints there is less advice
	e.rules.IDField, e.rules.IDVariable = client.Properties().IDField, cmp.Or(a.hints.idField, "CRMSYNC_CRM")
	if e.isMistaken(e.rules.IDVariable) {
		e.rules.IDField = "" // another one stands in for it
	}
	ownerFindings := e.checkOwners(ctx, client)
	e.rules.Schemas = map[crm.Object]*crm.Schema{}
	for _, object := range crm.Objects() {
		if _, on := e.cfg.Mapping.Fields[object]; on {
			readable := e.checkPermissions(ctx, client, object)
			e.rules.Schemas[object] = e.schema(ctx, client, object, readable)
		}
	}
	for _, object := range crm.Objects() {
		e.checkObject(object, e.rules.Schemas[object])
	}
	e.add(ownerFindings...)
	return ctx.Err()
}

// schema reads the schema of one object, nil when the CRM does not tell it. That
// it is refused is no news of an object whose records are, too.
func (e *examination) schema(ctx context.Context, client crm.Client, object crm.Object, readable bool) *crm.Schema {
	describer, ok := client.(crm.Describer)
	if !ok {
		return nil
	}
	schema, err := describer.Describe(ctx, object)
	if err != nil {
		if readable || !mayOtherwise(err) {
			e.addOnce(crmFinding(e.cfg, object, err))
		}
		return nil
	}
	return &schema
}

// isMistaken reports whether something is wrong with a variable already.
func (e *examination) isMistaken(variable string) bool {
	return slices.ContainsFunc(e.found, func(f finding) bool { return f.Variable == variable })
}

// mayOtherwise reports whether credentials are good for other things than what
// they were refused for.
func mayOtherwise(err error) bool {
	e := crm.AsError(err)
	return e.Kind == crm.Unauthorized && e.Status == http.StatusForbidden && !elsewhere(e)
}

// checkPermissions looks whether the credentials may read the records of an object
// and, as far as the CRM tells without a request that writes, may write them: with
// CRMSYNC_DRY_RUN they need not.
func (e *examination) checkPermissions(ctx context.Context, client crm.Client, object crm.Object) (readable bool) {
	checker, ok := client.(crm.PermissionChecker)
	if !ok {
		return true
	}
	unreadable := checker.CheckRead(ctx, object)
	refusals := []error{unreadable}
	if !e.cfg.DryRun {
		refusals = append(refusals, checker.AskWrite(ctx, object))
	}
	for _, err := range refusals {
		if err != nil {
			e.addOnce(crmFinding(e.cfg, object, err))
		}
	}
	return unreadable == nil
}

// addOnce adds what is not known of another object yet: one permission may
// cover several.
func (e *examination) addOnce(f finding) {
	known := func(k finding) bool {
		return k.Code == connector.CodeNoPermission && k.Code == f.Code && k.Message == f.Message
	}
	if !slices.ContainsFunc(e.found, known) {
		e.add(f)
	}
}
