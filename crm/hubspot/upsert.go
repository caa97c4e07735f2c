package hubspot

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"crmsync/crm"
)

// Upsert implements crm.Client. Records go into one batch/upsert on our unique
// property; those that are refused because somebody else holds a value are
// settled by the rules of conflict.go.
func (c *Client) Upsert(ctx context.Context, o crm.Object, records []crm.Record) ([]crm.Result, error) {
	b, err := c.newBatch(o, records)
	if err != nil {
		return nil, err
	}
	adopted, err := b.findAdopted(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.adopt(ctx, adopted); err != nil {
		return nil, err
	}
	upserts := b.upserts()
	if err := b.upsert(ctx, upserts); err != nil {
		return nil, err
	}
	if err := b.resolve(ctx, conflicts(upserts)); err != nil {
		return nil, err
	}
	results := make([]crm.Result, len(b.writes))
	for i, w := range b.writes {
		results[i] = w.result
	}
	return results, nil
}

// batch is one call of Upsert.
type batch struct {
	c      *Client
	object crm.Object
	writes []*write
	shown  []string // properties to read beside those that settle conflicts
}

// write is one record on its way into the CRM.
type write struct {
	record   crm.Record
	props    map[string]string // what to send, our key included
	target   string            // record id of an update
	result   crm.Result
	answered bool
}

// fail ends w with e.
func (w *write) fail(e *crm.Error) {
	w.answered = true
	w.result.Err, w.result.Action, w.result.RequestID = e, "", e.RequestID
}

// refusal is the error of w, nil while there is none.
func (w *write) refusal() *crm.Error {
	if w.result.Err == nil {
		return nil
	}
	return crm.AsError(w.result.Err)
}

// newBatch checks what HubSpot would refuse for the whole batch. Duplicate
// keys are a mistake of the caller: nobody could say which one is to win.
func (c *Client) newBatch(o crm.Object, records []crm.Record) (*batch, error) {
	op := "upsert " + typeName(o)
	if err := c.checkBatch(op, o, len(records)); err != nil {
		return nil, err
	}
	b := &batch{c: c, object: o}
	seen := make(map[string]bool, len(records))
	for _, r := range records {
		if r.Key == "" || seen[r.Key] {
			return nil, &crm.Error{Kind: crm.Invalid, Op: op, Code: codeDuplicateKey, Message: "every record of a batch needs a key of its own"}
		}
		seen[r.Key] = true
		w := &write{record: r, result: crm.Result{RemoteID: r.RemoteID}}
		props, invalid := properties(r.Fields)
		if invalid != nil {
			invalid.Op = op
			w.fail(invalid)
		} else {
			props[c.idProperty] = r.Key
			w.props = props
		}
		b.writes = append(b.writes, w)
	}
	return b, nil
}

func (c *Client) checkBatch(op string, o crm.Object, n int) error {
	switch {
	case typeName(o) == "":
		return &crm.Error{Kind: crm.Misconfigured, Op: op, Message: "there is no such object"}
	case n > c.maxBatch:
		return &crm.Error{Kind: crm.Invalid, Op: op, Code: "batch_too_large", Message: "more records than one request may hold"}
	}
	return nil
}

// upserts ends the writes that need no request and returns the others.
func (b *batch) upserts() []*write {
	for _, w := range b.writes {
		if !w.answered && len(w.record.Fields) == 0 && w.record.RemoteID != "" {
			w.answered, w.result.Action = true, crm.Unchanged
		}
	}
	return unanswered(b.writes)
}

// step is a kind of request: "upsert" by our key, "update" by record id, or
// "create".
type step struct {
	verb   string
	action crm.Action // what success is called; "" when each result tells
}

// apply sends ws and records the fate of each. What HubSpot passes over in
// silence in a batch is sent once more, alone: another record may be the cause.
// The error is about the batch as a whole.
func (b *batch) apply(ctx context.Context, s step, ws []*write) error {
	if len(ws) == 0 {
		return nil
	}
	if err := b.send(ctx, s, ws); err != nil {
		return err
	}
	silent := unanswered(ws)
	if len(ws) > 1 && len(silent) == len(ws) {
		return b.silentNoop(s)
	}
	for _, w := range silent {
		if len(ws) > 1 {
			if err := b.send(ctx, s, []*write{w}); err != nil {
				return err
			}
		}
		if !w.answered {
			w.fail(b.silentNoop(s))
		}
	}
	for _, w := range ws {
		if e := w.refusal(); s.verb == "update" && e != nil && e.Kind == crm.NotFound {
			e.Kind = crm.Unavailable // it was read a moment ago and has gone: start over
		}
	}
	return nil
}

func unanswered(ws []*write) []*write {
	return slices.DeleteFunc(slices.Clone(ws), func(w *write) bool { return w.answered })
}

func (b *batch) op(s step) string { return s.verb + " " + typeName(b.object) }

// silentNoop is the error of a success that did nothing. That may be a hiccup as
// well as the record's fault, so it is worth another try later.
func (b *batch) silentNoop(s step) *crm.Error {
	return &crm.Error{
		Kind: crm.Unavailable, Op: b.op(s), Status: http.StatusOK, Code: crm.CodeSilentNoop,
		Message: "HubSpot reported success and wrote nothing",
	}
}

// send makes one request. A refusal of a batch of one is its record's error;
// a larger batch comes back Invalid, to be halved by the caller.
func (b *batch) send(ctx context.Context, s step, ws []*write) error {
	for _, w := range ws {
		w.answered = false
		w.result.Err = nil
	}
	var answer writeAnswer
	r, err := b.c.do(ctx, call{
		op: b.op(s), method: http.MethodPost, path: b.c.paths.batch(b.object, s.verb),
		body: inputs[writeInput]{b.inputs(s, ws)}, writes: b.object,
	}, &answer)
	if err != nil {
		e := crm.AsError(err)
		switch {
		case b.refusesUpsert(s, e, r.problem):
			e.Code = codeNoUpsert
			return e
		case !aboutRecords(e):
			return e
		case len(ws) == 1:
			b.refuse(ws[0], e)
			return nil
		}
		e.Kind, e.Holder = crm.Invalid, nil
		return e
	}
	b.match(s, r, ws, answer)
	return nil
}

// inputs renders ws. Trace ids are what switches on per-input results:
// without them one bad record fails the whole batch.
func (b *batch) inputs(s step, ws []*write) []writeInput {
	all := make([]writeInput, len(ws))
	for i, w := range ws {
		all[i] = writeInput{TraceID: traceID(i), Properties: w.props}
		switch s.verb {
		case "upsert":
			all[i].ID, all[i].IDProperty = w.record.Key, b.c.idProperty
		case "update":
			all[i].ID = w.target
		}
	}
	return all
}

func traceID(i int) string { return "t" + strconv.Itoa(i) }

// match gives every result and error to the write it belongs to, never by
// order: by trace id, else by our key, else by record id. A batch of one needs
// no such proof.
func (b *batch) match(s step, r reply, ws []*write, answer writeAnswer) {
	traces, names := map[string]*write{}, map[string]*write{}
	for i, w := range ws {
		traces[traceID(i)] = w
		names[w.record.Key] = w
		if s.verb == "update" {
			names[w.target] = w
		}
	}
	alone := len(ws) == 1 && len(answer.Results)+len(answer.Errors) == 1
	for _, res := range answer.Results {
		w := traces[string(res.TraceID)]
		if w == nil {
			w = names[textOf(res.Properties[b.c.idProperty])]
		}
		if w == nil && s.verb == "update" {
			w = names[string(res.ID)]
		}
		if w == nil && alone {
			w = ws[0]
		}
		if w != nil && res.ID != "" {
			w.answered = true
			w.result = crm.Result{RemoteID: string(res.ID), Action: s.actionOf(res), RequestID: r.requestID}
		}
	}
	for _, p := range answer.Errors {
		for _, w := range concerned(p, ws, traces, names, alone) {
			b.refuse(w, b.c.itemError(b.op(s), r, p))
		}
	}
}

// concerned are the writes that an item error is about.
func concerned(p problem, ws []*write, traces, names map[string]*write, alone bool) []*write {
	found := map[*write]bool{}
	for _, id := range p.Context.any("objectWriteTraceId") {
		found[traces[id]] = true
	}
	if len(found) == 0 {
		for _, id := range p.Context.any("id", "ids") {
			found[names[id]] = true
		}
	}
	delete(found, nil)
	if len(found) == 0 && alone {
		return ws
	}
	return slices.Collect(maps.Keys(found))
}

// refuse ends w with what HubSpot says of it.
func (b *batch) refuse(w *write, e *crm.Error) {
	if e.Holder != nil {
		e.Holder.Object = b.object
	}
	// The one value that HubSpot itself keeps unique is a contact's address.
	if e.Code == "CONFLICT" && e.Field == "" && b.object == crm.Contact && w.props[emailProperty] != "" {
		e.Field = emailProperty
	}
	w.fail(e)
}

func (s step) actionOf(res object) crm.Action {
	switch {
	case s.action != "":
		return s.action
	case res.New == nil:
		return crm.Upserted
	case *res.New:
		return crm.Created
	}
	return crm.Updated
}
