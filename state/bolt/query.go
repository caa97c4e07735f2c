package bolt

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"

	"crmsync/state"
)

// Links implements [state.Store].
func (s *Store) Links(ctx context.Context, lanes ...state.Lane) (map[state.Lane]state.Link, error) {
	found := make(map[state.Lane]state.Link, len(lanes))
	err := s.view(ctx, func(t *tables) error {
		for _, lane := range lanes {
			if l, ok := t.link(lane); ok {
				found[lane] = l
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	return found, nil
}

// Waiting implements [state.Store].
func (s *Store) Waiting(ctx context.Context, targets ...state.Lane) ([]state.Waiting, error) {
	var found []state.Waiting
	err := s.view(ctx, func(t *tables) error {
		for _, target := range targets {
			found = append(found, t.waitingFor(waitingTarget(target), 0)...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read waiting: %w", err)
	}
	return found, nil
}

// ReadyLinks implements [state.Store].
func (s *Store) ReadyLinks(ctx context.Context, limit int) ([]state.ReadyLink, error) {
	if limit <= 0 {
		return nil, nil
	}
	var found []state.ReadyLink
	err := s.view(ctx, func(t *tables) error {
		found = t.readyLinks(limit)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read ready links: %w", err)
	}
	return found, nil
}

// Bind implements [state.Store].
func (s *Store) Bind(ctx context.Context, b state.Binding) error {
	return s.view(ctx, func(t *tables) error {
		if bound := t.binding(); bound != nil && !bound.Fits(b) {
			return state.ErrBinding
		}
		return nil
	})
}

// Stats implements [state.Store].
func (s *Store) Stats(ctx context.Context) (state.Stats, error) {
	var stats state.Stats
	err := s.view(ctx, func(t *tables) error {
		sums := t.totals()
		sums.complete(t)
		stats = sums.stats()
		stats.Binding = t.binding()
		for k, line := range t.all(inbox) {
			h, err := parseHeader(line)
			if err != nil {
				return &damage{bucket: inbox, seq: parseSeq(k), err: err}
			}
			stats.OldestPending = h.received
			break
		}
		return nil
	})
	if err != nil {
		return state.Stats{}, fmt.Errorf("read stats: %w", err)
	}
	return stats, nil
}

// Event implements [state.Store].
func (s *Store) Event(ctx context.Context, id string) (state.Event, error) {
	var (
		e      state.Event
		packed []byte
	)
	err := s.view(ctx, func(t *tables) error {
		var ok bool
		if e, ok = t.find(id); !ok {
			return cmp.Or(t.err, state.ErrNotFound)
		}
		packed = bytes.Clone(t.get(bodies, seqKey(e.Seq)))
		return nil
	})
	if err == nil && packed != nil {
		e.Size = payloadSize(packed)
		e.Body, err = s.payloads.unpack(packed)
	}
	if err != nil {
		return state.Event{}, fmt.Errorf("read event: %w", err)
	}
	return e, nil
}

// Events implements [state.Store].
func (s *Store) Events(ctx context.Context, f state.EventFilter) ([]state.Event, error) {
	var found []state.Event
	err := s.view(ctx, func(t *tables) error {
		for c := newNewest(t, f); c.key != nil && t.err == nil; c.next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			h, err := parseHeader(c.line)
			if err != nil {
				return &damage{bucket: c.from, seq: parseSeq(c.key), err: err}
			}
			if !h.matches(f) {
				continue
			}
			e, err := decodeEvent(parseSeq(c.key), c.line)
			if err != nil {
				return &damage{bucket: c.from, seq: parseSeq(c.key), err: err}
			}
			e.Size, _ = t.size(e.Seq)
			if found = append(found, e); len(found) == f.Limit {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return found, nil
}

// matches reports whether a line passes the filter; Before is left to the
// caller.
func (h *header) matches(f state.EventFilter) bool {
	return (f.Status == "" || h.status == statusCode(f.Status)) &&
		(f.Type == "" || string(h.kind) == f.Type) &&
		(f.Since.IsZero() || !h.received.Before(f.Since))
}

// Objects implements [state.Store].
func (s *Store) Objects(ctx context.Context, f state.ObjectFilter) ([]state.Link, error) {
	var found []state.Link
	err := s.view(ctx, func(t *tables) error {
		if f.Key != "" {
			found = t.objectsOfKey(f)
		} else {
			found = t.objects(f)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	return found, nil
}

func (t *tables) objects(f state.ObjectFilter) []state.Link {
	var prefix, from []byte
	if f.Object != "" {
		prefix = []byte{objectCode(f.Object)}
	}
	if f.After != (state.Lane{}) {
		from = append(laneKey(f.After), 0) // the next possible key
	}
	var found []state.Link
	for k, value := range t.scan(links, prefix, from) {
		lane, err := parseLane(k)
		t.fail(err)
		l, err := decodeLink(lane, value)
		t.fail(err)
		if found = append(found, l); len(found) == f.Limit {
			break
		}
	}
	return found
}

// objectsOfKey looks one key up in every object instead of reading all links.
func (t *tables) objectsOfKey(f state.ObjectFilter) []state.Link {
	var found []state.Link
	for _, object := range objects[1:] {
		lane := state.Lane{Object: object, Key: f.Key}
		if (f.Object != "" && f.Object != object) || bytes.Compare(laneKey(lane), laneKey(f.After)) <= 0 {
			continue
		}
		if l, ok := t.link(lane); ok && (f.Limit == 0 || len(found) < f.Limit) {
			found = append(found, l)
		}
	}
	return found
}

// Backup implements [state.Store]. The copy is a state file of its own.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	out := &ctxWriter{ctx: ctx, w: w}
	err := s.view(ctx, func(t *tables) error {
		_, err := t.tx.WriteTo(out)
		return cmp.Or(out.err, err) // bbolt does not wrap all of them
	})
	if err != nil {
		return fmt.Errorf("back up state: %w", err)
	}
	return nil
}

// ctxWriter ends a long copy when its context does, and remembers what went
// wrong.
type ctxWriter struct {
	ctx context.Context
	w   io.Writer
	err error
}

func (w *ctxWriter) Write(b []byte) (n int, err error) {
	if w.err = w.ctx.Err(); w.err == nil {
		n, w.err = w.w.Write(b)
	}
	return n, w.err
}
