package app

import (
	"cmp"
	"context"

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
		e.add(crmFinding(e.cfg, "", err))
		e.checkMapping()
		return ctx.Err()
	}
	if e.stateSound {
		e.add(checkAccount(ctx, e.cfg, client)...)
	}
	a, _ := adapterOf(e.cfg) // without hints there is less advice
	e.rules.IDField, e.rules.IDVariable = client.Properties().IDField, cmp.Or(a.hints.idField, "CRMSYNC_CRM")
	ownerFindings := e.checkOwners(ctx, client)
	for _, object := range crm.Objects() {
		if _, on := e.cfg.Mapping.Fields[object]; on {
			e.checkPermission(ctx, client, object)
			e.checkObject(object, e.schema(ctx, client, object))
		}
	}
	e.add(ownerFindings...)
	return ctx.Err()
}

// schema reads the schema of one object, nil when the CRM does not tell it.
func (e *examination) schema(ctx context.Context, client crm.Client, object crm.Object) *crm.Schema {
	describer, ok := client.(crm.Describer)
	if !ok {
		return nil
	}
	schema, err := describer.Describe(ctx, object)
	if err != nil {
		e.addOnce(crmFinding(e.cfg, object, err))
		return nil
	}
	return &schema
}

// checkPermission looks whether the credentials may write an object. With
// CRMSYNC_DRY_RUN they need not.
func (e *examination) checkPermission(ctx context.Context, client crm.Client, object crm.Object) {
	checker, ok := client.(crm.WriteChecker)
	if !ok || e.cfg.DryRun {
		return
	}
	if err := checker.CheckWrite(ctx, object); err != nil {
		e.addOnce(crmFinding(e.cfg, object, err))
	}
}

// addOnce adds what is not known of another object yet: one permission may
// cover several.
func (e *examination) addOnce(f finding) {
	for _, known := range e.found {
		if known.Code == connector.CodeNoPermission && known.Code == f.Code && known.Message == f.Message {
			return
		}
	}
	e.add(f)
}
