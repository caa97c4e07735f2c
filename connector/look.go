package connector

import (
	"context"
	"errors"

	"crmsync/crm"
	"crmsync/state"
)

// look checks what has to be checked before writing goes on: whose account it
// is, refused credentials, paused objects. It reports whether writing is held.
func (d *Dispatcher) look(ctx context.Context) (held bool, err error) {
	if d.binding == nil {
		if held, err := d.bind(ctx); held || err != nil {
			return held, err
		}
	}
	account, objects := d.gate.due()
	if account {
		if err := d.client.Ping(ctx); err != nil {
			return d.trip("", err), nil
		}
		d.gate.probe("")
	}
	for _, object := range objects {
		if err := d.checkObject(ctx, object); err != nil {
			if d.trip(object, err) {
				return true, nil
			}
			continue
		}
		d.gate.probe(object)
	}
	if err := d.drift(ctx); err != nil {
		return false, err
	}
	if err := d.noteLosses(ctx); err != nil {
		return false, err
	}
	return d.gate.wait() > 0, nil
}

// bind makes sure that the state belongs to the account behind the credentials.
func (d *Dispatcher) bind(ctx context.Context) (held bool, err error) {
	account, err := d.client.Account(ctx)
	if err != nil {
		return d.trip("", err), nil
	}
	props := d.client.Properties()
	b := &state.Binding{Kind: props.Name, Account: account, IDField: props.IDField}
	if err := d.store.Bind(ctx, *b); err != nil {
		return false, err
	}
	d.binding = b
	return false, nil
}

// checkObject looks whether what paused an object has been mended.
func (d *Dispatcher) checkObject(ctx context.Context, object crm.Object) error {
	if d.owners.failed() && d.mapper.UsesOwner(object) {
		if err := d.owners.load(ctx, d); err != nil {
			return ownersError(err)
		}
	}
	describer, ok := d.client.(crm.Describer)
	if !ok {
		return nil
	}
	schema, err := describer.Describe(ctx, object)
	if err != nil {
		return err
	}
	return d.saw(schema)
}

// unfit says why no record of the object can be written as it is mapped, nil
// when the schema allows it.
func (d *Dispatcher) unfit(schema crm.Schema) error {
	return misconfigured(d.checks().stopping(&schema))
}

func (d *Dispatcher) checks() Check {
	return Check{Mapper: d.mapper, IDField: d.client.Properties().IDField, IDVariable: d.idVariable}
}

// misconfigured makes an error of the first finding, nil when there is none.
func misconfigured(found []Finding) error {
	if len(found) == 0 {
		return nil
	}
	f := found[0]
	message := f.Message
	if f.Variable != "" {
		message = f.Variable + ": " + message
	}
	return &crm.Error{Kind: crm.Misconfigured, Message: message}
}

// trip holds the account, or the object, because of an error outside a round.
// It reports whether the account is held now.
func (d *Dispatcher) trip(object crm.Object, err error) bool {
	if errors.Is(err, crm.ErrDraining) {
		return true
	}
	e := *crm.AsError(err)
	e.Message = scrub(e.Message)
	if object == "" && (e.Kind != crm.Unauthorized && e.Kind != crm.RateLimited) {
		e.Kind = crm.Unavailable
	}
	trip := d.gate.trip
	if object != "" && e.Kind != crm.Unauthorized && e.Kind != crm.RateLimited {
		trip = d.gate.tripObject
	}
	if trip(object, &e, e.Error()) {
		d.log.Warn("writing is held", keyObject, string(object), keyReason, e.Error())
	}
	return d.gate.wait() > 0
}
