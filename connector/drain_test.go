package connector

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// pacedCRM lets one request through; the others wait for their turn as those
// of a client with a rate limit do.
type pacedCRM struct {
	*fakeCRM
	turn chan struct{}
}

func (p *pacedCRM) Upsert(ctx context.Context, object crm.Object, records []crm.Record) ([]crm.Result, error) {
	select {
	case <-p.turn:
		return p.fakeCRM.Upsert(ctx, object, records)
	case <-crm.Draining(ctx):
		return nil, &crm.Error{Err: crm.ErrDraining}
	case <-ctx.Done():
		return nil, &crm.Error{Err: ctx.Err()}
	}
}

// A shutdown does not wait for requests whose turn has not come: what was
// written is settled, the rest is left as it was.
func TestDispatcher_EndsAtOnceWhenItOnlyWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.crm.maxBatch = 10
		paced := &pacedCRM{w.crm, make(chan struct{}, 1)}
		paced.turn <- struct{}{}
		w.restart(func(o *DispatcherOptions) { o.Client = paced })
		for i := range 50 {
			w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), i, "Name", fmt.Sprintf("u%d@sales.example", i)))
		}
		stop := w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		asked := time.Now()
		stop()
		if took := time.Since(asked); took > 0 {
			t.Errorf("the end took %s", took)
		}
		if s := w.stats(); s.Counts[state.Applied] != 10 || s.Counts[state.Pending] != 40 {
			t.Errorf("stats %+v", s)
		}
		for i := range 50 {
			if ev := w.event(fmt.Sprintf("e%d", i)); ev.Status == state.Pending && (!ev.NotBefore.IsZero() || ev.Error != "") {
				t.Errorf("event %s: not before %s, error %s", ev.ID, ev.NotBefore, ev.Error)
			}
		}
	})
}
