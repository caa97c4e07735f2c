package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// Sizes and times of the dispatcher.
const (
	// claimBatches sizes a claim in batches, so that records of one object,
	// which are only a part of the events, fill theirs.
	claimBatches = 10
	// claimBytes bounds the payloads that a round holds in memory.
	claimBytes = 64 << 20
	// drainBatch is how many waiting links are made between two rounds.
	drainBatch = 1000
	// drainPause is the wait after none of the waiting links could be made.
	drainPause = 30 * time.Second
	// drainTime is how long work in flight may go on after a shutdown began.
	drainTime = 8 * time.Second
	// settleTimeout bounds a commit that outlives its context.
	settleTimeout = 10 * time.Second
	// idleCheck is how often a quiet dispatcher looks without being woken.
	idleCheck = time.Minute
	// The wait after the state could not be read or written doubles from
	// storeRetry to storeRetryMax.
	storeRetry    = time.Second
	storeRetryMax = time.Minute
)

// DeletePolicy says what a deleted user or organisation means for its record.
type DeletePolicy string

// The policies.
const (
	DeleteMark    DeletePolicy = "mark"    // write the mapping with deleted true
	DeleteArchive DeletePolicy = "archive" // take the record away, if we created it
	DeleteIgnore  DeletePolicy = "ignore"  // nothing
)

// DispatcherOptions are what a Dispatcher works with. Store, Client, Mapper and
// Log are required.
type DispatcherOptions struct {
	Store  state.Store
	Client crm.Client
	Mapper *mapping.Mapper
	Log    *slog.Logger

	UserDeleted, OrgDeleted DeletePolicy  // default DeleteMark
	BatchSize               int           // records per request; 0: the client's maximum
	GiveUpAfter             time.Duration // default 24h
	SettleTime              time.Duration // default 2m
	DefaultOwner            string        // CRM id of the owner when owner() finds none; "" for none
	IDVariable              string        // the variable that names the field that holds our keys, for messages
	Metrics                 *Metrics      // default: not registered

	// DryRun plans and reads, and writes nothing: events stay pending. The
	// client has to be a crm.Previewer.
	DryRun bool
}

// Dispatcher delivers pending events to the CRM, in rounds, one at a time.
type Dispatcher struct {
	store    state.Store
	client   crm.Client
	linker   crm.Linker   // nil when the client writes links with the record
	archiver crm.Archiver // nil when the client cannot archive
	comparer crm.Comparer // nil when the client cannot read what it writes
	mapper   *mapping.Mapper
	log      *slog.Logger
	metrics  *Metrics

	policies    map[mapping.Kind]DeletePolicy
	batch       int
	giveUpAfter time.Duration
	settleTime  time.Duration

	defaultOwner string
	idVariable   string
	fingerprints map[string][]byte // see Fingerprints

	gate    *gate
	owners  *ownerTable
	binding *state.Binding // of the account; nil until it is known

	// Used by the goroutine of Run only.
	streaks    map[crm.Object]streak
	drainAfter time.Time
	watches    map[crm.Object]watch
	losses     map[loss]bool       // fields that are gone, and whether their records know
	troubles   map[uint64]*trouble // by Seq, of pending events

	running sync.Mutex    // held by Run
	busy    chan struct{} // holds a token while a step is under way
	dry     *dryRun       // nil unless nothing is to be written
}

// NewDispatcher returns a dispatcher that Run starts. It panics when a required
// option is missing: that is a mistake in the program.
func NewDispatcher(o DispatcherOptions) *Dispatcher {
	if o.Store == nil || o.Client == nil || o.Mapper == nil || o.Log == nil {
		panic("connector: NewDispatcher needs a Store, a Client, a Mapper and a Log")
	}
	d := &Dispatcher{
		store: o.Store, client: o.Client, mapper: o.Mapper, log: o.Log, metrics: o.Metrics,
		policies: map[mapping.Kind]DeletePolicy{
			mapping.KindUser: orDefault(o.UserDeleted, DeleteMark),
			mapping.KindOrg:  orDefault(o.OrgDeleted, DeleteMark),
		},
		batch:        o.BatchSize,
		giveUpAfter:  orDefault(o.GiveUpAfter, 24*time.Hour),
		settleTime:   orDefault(o.SettleTime, 2*time.Minute),
		defaultOwner: o.DefaultOwner,
		fingerprints: Fingerprints(o),
		gate:         newGate(),
		streaks:      map[crm.Object]streak{},
		watches:      map[crm.Object]watch{},
		losses:       map[loss]bool{},
		idVariable:   o.IDVariable,
		troubles:     map[uint64]*trouble{},
		busy:         make(chan struct{}, 1),
	}
	if d.metrics == nil {
		d.metrics = NewMetrics(nil)
	}
	d.owners = &ownerTable{}
	d.linker, _ = o.Client.(crm.Linker)
	d.archiver, _ = o.Client.(crm.Archiver)
	d.comparer, _ = o.Client.(crm.Comparer)
	if o.DryRun {
		d.dry = newDryRun(d, o)
	}
	return d
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// CRMState says whether the CRM takes records now. Safe for concurrent use.
func (d *Dispatcher) CRMState() CRMState {
	return d.gate.snapshot(d.client.Properties().Name)
}

// Owners returns the CRM's owners by e-mail as last loaded; nil before that.
// Safe for concurrent use.
func (d *Dispatcher) Owners() mapping.Owners {
	if known := d.owners.shown.Load(); known != nil {
		return *known
	}
	return nil
}

// Run delivers until ctx ends; then work in flight gets 8 s. It returns nil
// after a shutdown, and state.ErrBinding when the state belongs to another CRM
// account.
func (d *Dispatcher) Run(ctx context.Context) error {
	d.running.Lock()
	defer d.running.Unlock()
	// What was sent must be settled: work outlives ctx, for a while.
	work, cancel := context.WithCancel(crm.WithDrain(context.WithoutCancel(ctx), ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })
	defer stop()
	failures := 0
	for ctx.Err() == nil {
		wait, err := d.step(work)
		switch {
		case errors.Is(err, state.ErrBinding), errors.Is(err, state.ErrClosed):
			return err
		case err != nil && work.Err() != nil: // the time for a clean end is over
		case err != nil:
			if failures++; failures == 1 {
				d.log.Error("a round could not be finished; its events are tried again", keyError, err)
			}
			d.rest(ctx, fullJitter(min(storeRetry<<min(failures, 10), storeRetryMax)))
			continue
		case failures > 0:
			d.log.Info("rounds work again", "failures", failures)
			failures = 0
		}
		d.sleep(ctx, wait)
	}
	return nil
}

// rest waits whatever happens: the state does not work, and every round that
// cannot be settled repeats its requests.
func (d *Dispatcher) rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// sleep waits until something may have become claimable.
func (d *Dispatcher) sleep(ctx context.Context, wait time.Duration) {
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	wake := d.store.Wake()
	if d.gate.wait() > 0 {
		wake = nil // new events change nothing while the account is held
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// step does one round, if anything can be done, and returns how long to wait
// before the next.
func (d *Dispatcher) step(ctx context.Context) (time.Duration, error) {
	d.busy <- struct{}{}
	defer func() { <-d.busy }()
	if halted, err := d.halted(ctx); halted || err != nil {
		return idleCheck, err
	}
	if wait := d.gate.wait(); wait > 0 {
		return wait, nil
	}
	if err := d.store.Ready(ctx); err != nil { // nothing is sent that could not be remembered
		return 0, fmt.Errorf("state is not ready: %w", err)
	}
	if held, err := d.look(ctx); held || err != nil {
		return d.gate.wait(), err
	}
	if d.dry != nil {
		return d.dry.step(ctx)
	}
	paused, next := d.gate.paused()
	claim, err := d.store.Claim(ctx, state.ClaimOptions{
		Max: d.claimSize(), MaxBytes: claimBytes, Paused: paused,
	})
	if err != nil {
		return 0, fmt.Errorf("claim: %w", err)
	}
	if d.gate.probing("") {
		if err := d.keepProbe(ctx, &claim); err != nil {
			return 0, err
		}
	}
	if len(claim.Events) > 0 {
		if err := d.round(ctx, claim); err != nil {
			return 0, err
		}
	}
	more := false
	if d.gate.wait() == 0 {
		if more, err = d.drain(ctx); err != nil {
			return 0, fmt.Errorf("drain waiting links: %w", err)
		}
	}
	if more || len(claim.Events) > 0 {
		return 0, nil
	}
	return untilNext(claim.Next, next), nil
}

// untilNext is the time to the earlier of two instants, zero ones left out.
func untilNext(times ...time.Time) time.Duration {
	wait := idleCheck
	for _, t := range times {
		if !t.IsZero() {
			wait = min(wait, max(time.Until(t), time.Millisecond))
		}
	}
	return wait
}

// claimSize is how many events a claim may hold.
func (d *Dispatcher) claimSize() int { return claimBatches * d.batchSize() }

func (d *Dispatcher) batchSize() int {
	most := max(d.client.Properties().MaxBatch, 1)
	if d.batch > 0 {
		return min(d.batch, most)
	}
	return most
}

func (d *Dispatcher) deletePolicy(kind mapping.Kind) DeletePolicy {
	return orDefault(d.policies[kind], DeleteMark)
}

// round takes one claim to its settlement. On an error nothing is settled and
// the events are given back.
func (d *Dispatcher) round(ctx context.Context, claim state.Claim) error {
	r := d.newRound(claim)
	err := r.run(ctx)
	if err == nil {
		err = d.settle(ctx, r.settlement())
	}
	if err != nil {
		seqs := make([]uint64, len(claim.Events))
		for i, ev := range claim.Events {
			seqs[i] = ev.Seq
		}
		return errors.Join(err, d.store.Release(ctx, seqs...))
	}
	return nil
}

// settle commits even when ctx has ended: what the CRM took must be remembered.
func (d *Dispatcher) settle(ctx context.Context, b state.Batch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if len(b.Links) > 0 {
		b.Binding = d.binding
	}
	if err := d.store.Settle(ctx, b); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	for _, s := range b.Settlements {
		if s.Status != state.Pending {
			delete(d.troubles, s.Seq)
		}
	}
	return nil
}
