package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// maxPreview bounds the events of one preview: they are one round.
const maxPreview = 1000

// previewCommand shows what delivering events would do.
type previewCommand struct {
	stateFlags
	Files []string `arg:"" optional:"" name:"file" help:"Files with one event each, as JSON; - reads standard input."`
	Event string   `placeholder:"ID" help:"A stored event, by event or message id."`
	Last  count    `placeholder:"N" help:"The N events received last."`
}

// Help implements kong.HelpProvider.
func (*previewCommand) Help() string {
	return `Maps the events with the configuration in this environment, reads the records that they would write from the CRM,
and shows for each record whether it would be created, updated or stay as it is, field by field from the old value to
the new one. It writes nothing, and says what crmsync replay would do. Values are shown: mind who reads the output.

Examples:
  crmsync preview call.json                   what would this event do?
  crmsync preview --event msg_2Lh9KRb0pzN4    and this one, that was received?
  crmsync preview --last 20                   before a changed mapping goes live
  crmsync preview --last 20 --json`
}

// Run fails when the CRM cannot be read.
func (c *previewCommand) Run(s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	cfg, err := soundConfig(s)
	if err != nil {
		return err
	}
	book, err := s.openBook(c.stateFlags, len(c.Files) > 0)
	if err != nil {
		return err
	}
	defer book.Close()
	events, err := c.events(s, book)
	if err != nil {
		return err
	}
	p, err := preview(s.ctx, cfg, book, events)
	if err != nil {
		return s.tell(cfg, err)
	}
	if c.JSON {
		return printJSON(s.stdout, p)
	}
	return printPreview(s.stdout, p)
}

// check refuses anything but one source of events.
func (c *previewCommand) check() error {
	sources := 0
	for _, given := range []bool{len(c.Files) > 0, c.Event != "", c.Last != 0} {
		if given {
			sources++
		}
	}
	switch {
	case sources != 1:
		return usage(errors.New("say what to preview, one of: event files, --event ID, --last N"))
	case c.Last > maxPreview || len(c.Files) > maxPreview:
		return usage(fmt.Errorf("a preview takes 1 to %d events", maxPreview))
	}
	return nil
}

// events returns what is to be previewed, in the order of receipt.
func (c *previewCommand) events(s *session, b *book) ([]state.Event, error) {
	if len(c.Files) > 0 {
		return eventFiles(s, c.Files)
	}
	ids := []string{c.Event}
	if c.Last > 0 {
		var page []eventView
		if err := b.client.get(s.ctx, "/api/v1/events", url.Values{"limit": {fmt.Sprint(c.Last)}}, &page); err != nil {
			return nil, err
		}
		ids = nil
		for _, e := range slices.Backward(page) {
			ids = append(ids, e.ID)
		}
	}
	var events []state.Event
	for _, id := range ids {
		var v explainView
		if err := b.client.get(s.ctx, "/api/v1/events/"+url.PathEscape(id), nil, &v); err != nil {
			return nil, err
		}
		switch {
		case v.Payload != nil:
			events = append(events, storedEvent(v))
		case c.Event != "":
			return nil, fmt.Errorf("event %s has no payload any more (CRMSYNC_PAYLOAD_RETENTION): name a file with it instead", id)
		default:
			fmt.Fprintf(s.stderr, "%s is left out: its payload is gone (CRMSYNC_PAYLOAD_RETENTION) or is no JSON\n", printable(id))
		}
	}
	return events, nil
}

// eventFiles reads events that need not have been received.
func eventFiles(s *session, names []string) ([]state.Event, error) {
	var events []state.Event
	for _, name := range names {
		body, err := readInput(s.stdin, name)
		if err != nil {
			return nil, usage(err)
		}
		now := time.Now()
		e := state.Event{MessageID: messageID(body), ReceivedAt: now, Body: body}
		envelope := mapping.Peek(body)
		e.ID, e.Type, e.Key, e.OccurredAt = envelope.ID, envelope.Type, envelope.Key, envelope.Timestamp
		if e.ID == "" {
			e.ID = e.MessageID
		}
		events = append(events, e)
	}
	return events, nil
}

func storedEvent(v explainView) state.Event {
	e := state.Event{
		ID: v.ID, MessageID: v.MessageID, Type: v.Type, ReceivedAt: v.ReceivedAt, Body: v.Payload,
	}
	if v.OccurredAt != nil {
		e.OccurredAt = *v.OccurredAt
	}
	return e
}

// preview asks the CRM that cfg names. One that lives inside the running
// connector can only be asked there.
func preview(ctx context.Context, cfg *config.Config, b *book, events []state.Event) (p connector.Preview, err error) {
	a, err := adapterOf(cfg)
	if err != nil {
		return p, usage(err)
	}
	if a.forgets && b.client != nil && b.client.running {
		return p, b.client.post(ctx, "/api/v1/preview", previewRequest{events}, &p)
	}
	client, err := openClient(ctx, cfg, nil)
	if err != nil {
		return p, err
	}
	defer func() { _ = closeClient(client) }() // nothing is lost by it
	mapper, err := mapping.New(cfg.Mapping)
	if err != nil {
		return p, usage(err)
	}
	if err := b.fits(ctx, client); err != nil {
		return p, err
	}
	if err := client.Ping(ctx); err != nil { // says more than events that are held back by it
		return p, err
	}
	p, err = connector.PreviewEvents(ctx, deliveryOptions(cfg, b, client, mapper), events)
	if err != nil && !errors.Is(err, connector.ErrNoPreview) {
		err = fmt.Errorf("%w; crmsync check says what to do", err)
	}
	return p, err
}

// deliveryOptions are what a dispatcher needs of a configuration.
func deliveryOptions(cfg *config.Config, store state.Store, client crm.Client, mapper *mapping.Mapper) connector.DispatcherOptions {
	a, _ := adapterOf(cfg) // without hints there is less advice
	return connector.DispatcherOptions{
		IDVariable: cmp.Or(a.hints.idField, "CRMSYNC_CRM"),
		Store:      store, Client: client, Mapper: mapper, Log: slog.New(slog.DiscardHandler),
		UserDeleted: connector.DeletePolicy(cfg.UserDeleted), OrgDeleted: connector.DeletePolicy(cfg.OrgDeleted),
		DefaultOwner: cfg.DefaultOwner, BatchSize: cfg.Common.BatchSize, GiveUpAfter: cfg.GiveUpAfter, SettleTime: cfg.SettleTime,
	}
}

// book is what is remembered of records, read through the API: all that a
// preview needs of a store.
type book struct {
	state.Store         // asked for nothing else
	client      *client // nil without a state
}

// openBook returns the book of the state that f names. Where there is no state
// yet, and optional allows it, nothing is remembered.
func (s *session) openBook(f stateFlags, optional bool) (*book, error) {
	path, err := statePath(f.State)
	if err != nil {
		return nil, err
	}
	if _, err := stateInfo(path); err != nil && optional && f.State == "" {
		return &book{}, nil
	}
	c, err := s.open(f, readOnly)
	return &book{client: c}, err
}

func (b *book) Close() error {
	if b.client == nil {
		return nil
	}
	return b.client.Close()
}

// Links implements state.Store.
func (b *book) Links(ctx context.Context, lanes ...state.Lane) (map[state.Lane]state.Link, error) {
	links := map[state.Lane]state.Link{}
	if b.client == nil {
		return links, nil
	}
	for part := range slices.Chunk(lanes, maxPage) {
		var answer memoryView
		if err := b.client.post(ctx, "/api/v1/state/memory", memoryRequest{Lanes: part}, &answer); err != nil {
			return nil, err
		}
		for _, l := range answer.Links {
			links[l.Lane] = l
		}
	}
	return links, nil
}

// Waiting implements state.Store.
func (b *book) Waiting(ctx context.Context, targets ...state.Lane) ([]state.Waiting, error) {
	var waiting []state.Waiting
	if b.client == nil {
		return nil, nil
	}
	for part := range slices.Chunk(targets, maxPage) {
		var answer memoryView
		if err := b.client.post(ctx, "/api/v1/state/memory", memoryRequest{Lanes: part}, &answer); err != nil {
			return nil, err
		}
		waiting = append(waiting, answer.Waiting...)
	}
	return waiting, nil
}

// Event implements state.Store.
func (b *book) Event(ctx context.Context, id string) (state.Event, error) {
	if b.client == nil {
		return state.Event{}, state.ErrNotFound
	}
	var answer memoryView
	if err := b.client.post(ctx, "/api/v1/state/memory", memoryRequest{Event: id}, &answer); err != nil {
		return state.Event{}, err
	}
	if answer.Event == nil {
		return state.Event{}, state.ErrNotFound
	}
	return *answer.Event, nil
}

// Objects implements state.Store.
func (b *book) Objects(ctx context.Context, f state.ObjectFilter) ([]state.Link, error) {
	if b.client == nil {
		return nil, nil
	}
	var answer memoryView
	err := b.client.post(ctx, "/api/v1/state/memory", memoryRequest{Objects: &f}, &answer)
	return answer.Links, err
}

// fits refuses a state that belongs to another account.
func (b *book) fits(ctx context.Context, client crm.Client) error {
	if b.client == nil {
		return nil
	}
	var answer memoryView
	if err := b.client.post(ctx, "/api/v1/state/memory", memoryRequest{}, &answer); err != nil {
		return err
	}
	account, _ := client.Account(ctx) // what it does not know it does not refuse; the reads tell why
	if problem := bindingProblem(answer.Binding, client.Properties(), account); problem != "" {
		return usage(fmt.Errorf("the state %s: %s", problem, bindingRemedy))
	}
	return nil
}

// memoryRequest is the body of POST /api/v1/state/memory.
type memoryRequest struct {
	Lanes   []state.Lane        `json:"lanes"`
	Objects *state.ObjectFilter `json:"objects,omitempty"` // instead of lanes: a page of all, with a limit
	Event   string              `json:"event,omitempty"`   // id of one to be returned with its payload
}

// memoryView answers it: what is remembered of the lanes, unknown ones left
// out, for previews with another mapping than the one in force.
type memoryView struct {
	Binding *state.Binding  `json:"binding"`
	Links   []state.Link    `json:"links"`
	Waiting []state.Waiting `json:"waiting"` // for the lanes
	Event   *state.Event    `json:"event"`   // null when there is none
}

func (a *api) memory(r *http.Request) (any, error) {
	var req memoryRequest
	if err := readBody(r, maxRequestBody, &req); err != nil {
		return nil, badRequest(`the body is no request for memory: expected {"lanes":[{"object":"contact","key":"…"}]}`)
	}
	stats, err := a.ledger.Stats(r.Context())
	if err != nil {
		return nil, err
	}
	links, err := a.ledger.Links(r.Context(), req.Lanes...)
	if err != nil {
		return nil, err
	}
	waiting, err := a.ledger.Waiting(r.Context(), req.Lanes...)
	if err != nil {
		return nil, err
	}
	v := memoryView{Binding: stats.Binding, Links: []state.Link{}, Waiting: waiting}
	for _, l := range links {
		v.Links = append(v.Links, l)
	}
	if req.Objects != nil {
		v.Links, err = a.ledger.Objects(r.Context(), *req.Objects)
	}
	if req.Event != "" {
		ev, missing := a.ledger.Event(r.Context(), req.Event)
		switch {
		case missing == nil:
			v.Event = &ev
		case !errors.Is(missing, state.ErrNotFound):
			return nil, missing
		}
	}
	return v, err
}

// previewRequest is the body of POST /api/v1/preview.
type previewRequest struct {
	Events []state.Event `json:"events"`
}

func (a *api) preview(r *http.Request) (any, error) {
	var req previewRequest
	if err := readBody(r, maxPreviewBody, &req); err != nil || len(req.Events) == 0 || len(req.Events) > maxPreview {
		return nil, badRequest("the body is not a preview request of 1 to %d events", maxPreview)
	}
	if a.live == nil {
		return nil, badRequest("only a running connector can be asked for a preview: run crmsync preview")
	}
	return a.live.preview(r.Context(), req.Events)
}

// addPreview tells what would have become of an event that a dry run holds
// back.
func (a *api) addPreview(ctx context.Context, v *explainView, e state.Event) {
	v.note("nothing is written while CRMSYNC_DRY_RUN is true")
	if e.Body == nil {
		return
	}
	events, err := a.together(ctx, e)
	if err != nil {
		v.note("what would be written cannot be told: " + err.Error())
		return
	}
	p, err := a.live.preview(ctx, events)
	if err != nil {
		v.note("what would be written cannot be told: " + err.Error())
		return
	}
	for i := range p.Events {
		if p.Events[i].ID == e.ID {
			v.Preview = &p.Events[i]
		}
	}
}

// together returns e among the pending events about the records that it writes
// or links to, in the order of receipt: they decide together what is written.
// Of very many the newest count.
func (a *api) together(ctx context.Context, e state.Event) ([]state.Event, error) {
	about := map[state.Lane]bool{}
	for _, lane := range e.Lanes {
		about[lane] = true
	}
	if ev, err := mapping.Decode(mapping.Delivery{ID: e.ID, MessageID: e.MessageID, Body: e.Body, ReceivedAt: e.ReceivedAt}); err == nil {
		for _, r := range a.mapping.Map(ev, nil).Records {
			for _, t := range r.Targets {
				about[state.Lane{Object: string(t.Object), Key: t.Key}] = true
			}
		}
	}
	events := []state.Event{e}
	for filter := (state.EventFilter{Status: state.Pending, Limit: maxPage}); ; {
		page, err := a.ledger.Events(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, other := range page {
			related := slices.ContainsFunc(other.Lanes, func(l state.Lane) bool { return about[l] })
			if !related || other.Seq == e.Seq || len(events) == maxPreview {
				continue
			}
			if other, err = a.ledger.Event(ctx, other.ID); err != nil {
				return nil, err
			}
			events = append(events, other)
		}
		if len(page) < filter.Limit {
			break
		}
		filter.Before = page[len(page)-1].Seq
	}
	slices.SortFunc(events, func(a, b state.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return events, nil
}
