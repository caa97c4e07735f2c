package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// Limits of the API.
const (
	defaultPage    = 100
	maxPage        = 1000
	maxRequestBody = 1 << 20 // a replay request: some 25,000 ids
	maxPreviewBody = 64 << 20
)

// ledger is what the API needs of a state.Store.
type ledger interface {
	pruner
	Stats(ctx context.Context) (state.Stats, error)
	Events(ctx context.Context, f state.EventFilter) ([]state.Event, error)
	Event(ctx context.Context, id string) (state.Event, error)
	Objects(ctx context.Context, f state.ObjectFilter) ([]state.Link, error)
	Links(ctx context.Context, lanes ...state.Lane) (map[state.Lane]state.Link, error)
	Waiting(ctx context.Context, targets ...state.Lane) ([]state.Waiting, error)
	Paused(ctx context.Context) (time.Time, error)
	SetPaused(ctx context.Context, since time.Time) error
	OutOfReach(ctx context.Context, mappings map[string][]byte) (map[string]int64, error)
	Requeue(ctx context.Context, o state.RequeueOptions) (state.RequeueResult, error)
	Discard(ctx context.Context, ids []string, reason string) (state.DiscardResult, error)
	Verify(ctx context.Context) ([]state.Finding, error)
	Backup(ctx context.Context, w io.Writer) error
}

// api serves /api/v1. The same handler answers on the admin listener, on the
// local socket and, for a stopped state file, inside the command itself, so
// that there is one way to look at a state.
type api struct {
	ledger  ledger
	now     func() time.Time
	log     *slog.Logger
	mapping *mapping.Mapper                // nil: events are explained without their fields
	client  crm.Client                     // nil: events are explained without what only an adapter knows
	behind  *behind                        // nil: no mapping to compare with what the records are
	live    *live                          // nil: no connector runs
	kind    string                         // of the CRM, while the state is bound to none
	kept    func() (*config.Config, error) // whose retention prune applies
}

// live is what only a running connector knows.
type live struct {
	crm    func() connector.CRMState
	owners func() mapping.Owners
	ready  func(context.Context) error // why no event can be accepted
	flush  func(context.Context) error // stores what is only counted in memory

	pause, resume func(context.Context) error
	dryRun        func() *connector.DryRun // nil when events are written
	preview       func(context.Context, []state.Event) (connector.Preview, error)
}

// handler returns the routes of the API.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(*http.Request) (any, error){
		"GET /api/v1/status":        a.status,
		"GET /api/v1/events/{id}":   a.event,
		"POST /api/v1/replay":       a.replay,
		"POST /api/v1/resync":       a.resync,
		"POST /api/v1/discard":      a.discard,
		"POST /api/v1/pause":        a.pause,
		"POST /api/v1/resume":       a.resume,
		"POST /api/v1/preview":      a.preview,
		"GET /api/v1/state/verify":  a.verify,
		"POST /api/v1/state/prune":  a.prune,
		"POST /api/v1/state/memory": a.memory,
	} {
		mux.Handle(pattern, a.answer(serve))
	}
	mux.Handle("GET /api/v1/events", a.answerPage(a.events))
	mux.Handle("GET /api/v1/objects", a.answerPage(a.objects))
	mux.HandleFunc("GET /api/v1/state/backup", a.backup)
	return mux
}

// problem is an error with the status to answer.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func badRequest(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func (a *api) answer(serve func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := serve(r)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	})
}

// answerPage is answer for lists: the query for the page behind this one, if
// there may be one, is named in a Link header.
func (a *api) answerPage(serve func(*http.Request) (page any, next url.Values, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, next, err := serve(r)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		if next != nil {
			w.Header().Set("Link", "<"+r.URL.Path+"?"+next.Encode()+`>; rel="next"`)
		}
		writeJSON(w, http.StatusOK, v)
	})
}

func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	p, ok := errors.AsType[*problem](err)
	switch {
	case ok:
		status = p.status
	case errors.Is(err, state.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, state.ErrClosed):
		status = http.StatusServiceUnavailable
	case r.Context().Err() == nil:
		a.log.Error("api request failed", "path", r.URL.Path, "error", err)
	}
	writeJSON(w, status, problemView{err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away: nobody is left to tell
}

func (a *api) status(r *http.Request) (any, error) {
	if a.live != nil {
		if err := a.live.flush(r.Context()); err != nil {
			a.log.Warn("status misses rejected requests", "error", err) // a full disk: the rest is still worth telling
		}
	}
	stats, err := a.ledger.Stats(r.Context())
	if err != nil {
		return nil, err
	}
	v := newStatusView(stats, a.now())
	v.CRM = connector.CRMState{State: connector.StateOK, Reason: notRunning}
	v.ReadyReason = notRunning
	since, err := a.ledger.Paused(r.Context())
	if err != nil {
		return nil, err
	}
	if v.PausedByHandSince = known(since); !since.IsZero() {
		v.CRM.State, v.CRM.Reason = connector.StatePaused, connector.HaltedReason(since)
	}
	if a.live != nil {
		v.Running = true
		v.CRM, v.DryRun = a.live.crm(), a.live.dryRun()
		v.Ready, v.ReadyReason = readiness(a.live.ready(r.Context()))
	}
	if v.CRM.Kind == "" && stats.Binding != nil {
		v.CRM.Kind = stats.Binding.Kind
	}
	if v.CRM.Kind == "" {
		v.CRM.Kind = a.kind
	}
	if v.CRM.PausedObjects == nil {
		v.CRM.PausedObjects = []string{}
	}
	v.Behind, err = a.behind.view(r.Context(), a.ledger, stats, a.now())
	return v, err
}

// notRunning is the reason for everything that only a connector does.
const notRunning = "the connector is not running"

func readiness(err error) (ready bool, reason string) {
	if err != nil {
		return false, err.Error()
	}
	return true, ""
}

func (a *api) events(r *http.Request) (any, url.Values, error) {
	q := r.URL.Query()
	f, err := a.eventFilter(r.Context(), q)
	if err != nil {
		return nil, nil, err
	}
	events, err := a.ledger.Events(r.Context(), f)
	if err != nil {
		return nil, nil, err
	}
	views := make([]eventView, len(events))
	for i, e := range events {
		views[i] = newEventView(e)
	}
	if len(events) == f.Limit {
		return views, nextPage(q, "before_seq", strconv.FormatUint(events[len(events)-1].Seq, 10)), nil
	}
	return views, nil, nil
}

func (a *api) eventFilter(ctx context.Context, q url.Values) (f state.EventFilter, err error) {
	if err := onlyKnown(q, "limit", "before", "before_seq", "status", "type", "since"); err != nil {
		return f, err
	}
	f.Type = q.Get("type")
	if f.Limit, err = parseLimit(q.Get("limit")); err != nil {
		return f, err
	}
	if f.Status, err = parseStatus(q.Get("status")); err != nil {
		return f, err
	}
	if f.Since, err = parseSince(q.Get("since"), a.now()); err != nil {
		return f, err
	}
	f.Before, err = a.before(ctx, q)
	return f, err
}

func (a *api) objects(r *http.Request) (any, url.Values, error) {
	q := r.URL.Query()
	if err := onlyKnown(q, "limit", "before", "object", "key"); err != nil {
		return nil, nil, err
	}
	f := state.ObjectFilter{Key: q.Get("key")}
	var err error
	if f.Limit, err = parseLimit(q.Get("limit")); err != nil {
		return nil, nil, err
	}
	if f.Object, err = parseObject(q.Get("object")); err != nil {
		return nil, nil, err
	}
	if at := q.Get("before"); at != "" {
		object, key, ok := strings.Cut(at, ":")
		if !ok {
			return nil, nil, badRequest("before is %q: expected object:key, such as contact:42", at)
		}
		f.After = state.Lane{Object: object, Key: key}
	}
	links, err := a.ledger.Objects(r.Context(), f)
	if err != nil {
		return nil, nil, err
	}
	views := make([]objectView, len(links))
	for i, l := range links {
		views[i] = newObjectView(l)
	}
	if len(links) == f.Limit {
		return views, nextPage(q, "before", links[len(links)-1].Lane.String()), nil
	}
	return views, nil, nil
}

func (a *api) event(r *http.Request) (any, error) {
	id := r.PathValue("id")
	e, err := a.ledger.Event(r.Context(), id)
	if errors.Is(err, state.ErrNotFound) {
		return nil, &problem{http.StatusNotFound, fmt.Sprintf("no event or message %q: ended events are forgotten after CRMSYNC_EVENT_RETENTION; crmsync events lists those that are known", id)}
	}
	if err != nil {
		return nil, err
	}
	s := story{mapper: a.mapping, client: a.client, live: a.live}
	if s.account, err = a.account(r.Context()); err != nil {
		return nil, err
	}
	v := s.of(e)
	if e.Status == state.Pending && a.live != nil && a.live.dryRun() != nil {
		a.addPreview(r.Context(), &v, e)
	}
	return v, nil
}

// account is the one that the state is bound to, as far as it is that of the
// client; "" when it is not known.
func (a *api) account(ctx context.Context) (string, error) {
	stats, err := a.ledger.Stats(ctx)
	if err != nil || stats.Binding == nil || a.client == nil || a.client.Properties().Name != stats.Binding.Kind {
		return "", err
	}
	return stats.Binding.Account, nil
}

// readBody decodes a request of at most limit bytes.
func readBody(r *http.Request, limit int64, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, limit))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

func (a *api) replay(r *http.Request) (any, error) {
	var req replayRequest
	if err := readBody(r, maxRequestBody, &req); err != nil {
		return nil, badRequest(`the body is not a replay request: expected {"ids":["…"]} or {"status":"dead"}`)
	}
	o, err := a.requeueOptions(req)
	if err != nil {
		return nil, err
	}
	return a.ledger.Requeue(r.Context(), o)
}

func (a *api) requeueOptions(req replayRequest) (state.RequeueOptions, error) {
	o := state.RequeueOptions{IDs: req.IDs, Force: req.Force}
	byIDs, byLedger := len(req.IDs) > 0, req.Status != "" || req.Since != ""
	if byIDs == byLedger {
		return o, badRequest("name what to replay either by event ids, or by status and since")
	}
	var err error
	if o.Status, err = parseStatus(req.Status); err != nil {
		return o, err
	}
	if o.Status == state.Pending {
		return o, badRequest("pending events are queued already")
	}
	o.Since, err = parseSince(req.Since, a.now())
	return o, err
}

func (a *api) verify(r *http.Request) (any, error) {
	findings, err := a.ledger.Verify(r.Context())
	if err != nil {
		return nil, err
	}
	return newVerifyView(findings), nil
}

func (a *api) prune(r *http.Request) (any, error) {
	cfg, err := a.kept()
	if err != nil {
		return nil, badRequest("%v", err)
	}
	return a.ledger.Prune(r.Context(), outdated(cfg, a.now()))
}
