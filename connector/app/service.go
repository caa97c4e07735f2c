package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
	"crmsync/state/bolt"
)

// drainTime is what work in flight gets at the end, below the 10 s after which
// container runtimes kill.
const drainTime = 8 * time.Second

// closeTime is what requests that are still open get after that.
const closeTime = time.Second

// service is a running connector: the receiver, the dispatcher and the
// listeners, on one state and one CRM account.
type service struct {
	cfg      *config.Config
	log      *slog.Logger
	registry *prometheus.Registry
	metrics  *connector.Metrics
	store    *bolt.Store
	client   crm.Client
	mapper   *mapping.Mapper
	receiver *connector.Receiver
	dispatch *connector.Dispatcher
	behind   *behind

	public   *entrance
	admin    *entrance     // nil when it is off
	patience time.Duration // how long their addresses may still be in use

	socket  string // "" without one
	cancel  context.CancelFunc
	working sync.WaitGroup
	failed  chan error // the first failure of a part

	delivered chan struct{} // closed when the dispatcher has ended; nil before it is started

	down teardown
}

// startService starts every part, in an order in which each finds those that
// it needs; a failure takes down what was started. When another process has the
// state it waits, for as long as ctx lives.
func startService(ctx context.Context, cfg *config.Config, log *slog.Logger) (_ *service, err error) {
	v := &service{cfg: cfg, log: log, failed: make(chan error, 1), registry: prometheus.NewRegistry()}
	v.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	v.metrics = connector.NewMetrics(v.registry)
	v.public, v.admin = newEntrances(cfg.ListenAddr, cfg.AdminAddr)
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v.cancel = cancel
	v.down.addCloser("stop", func() error { cancel(); return nil })
	defer func() {
		if err != nil {
			err = errors.Join(err, v.stop())
		}
	}()
	if err := v.openMapping(); err != nil {
		return nil, err
	}
	if err := v.openState(ctx); err != nil {
		return nil, err
	}
	for _, start := range []func(context.Context) error{
		v.openCRM, v.startWork, v.listenLocal, v.listenAdmin, v.listenPublic,
	} {
		if err := start(working); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// wait returns when ctx ends or a part fails.
func (v *service) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-v.failed:
		if errors.Is(err, state.ErrBinding) { // of an account that only the CRM could name
			return v.explainBinding(ctx, err)
		}
		return err
	}
}

// explainBinding tells which accounts err is about.
func (v *service) explainBinding(ctx context.Context, err error) error {
	account, _ := v.client.Account(ctx) // beside an error stands what is known
	if problem := v.checkBinding(ctx, account); problem != nil {
		return problem
	}
	return usage(fmt.Errorf("CRMSYNC_STATE: %s: %w: %s", v.cfg.State, err, bindingRemedy))
}

// stop ends the service: work in flight is finished while the listeners answer
// 503, so that senders and balancers turn away without an error; then they are
// closed.
func (v *service) stop() error {
	if v.receiver != nil {
		v.receiver.Drain()
	}
	v.cancel()
	drain := drainTime
	if v.delivered == nil {
		drain = 0 // a start that did not get so far: nothing is in flight
	}
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	v.awaitDelivery(ctx)
	closing, cancel := context.WithTimeout(context.Background(), max(closeTime, untilDeadline(ctx)))
	defer cancel()
	err := v.down.run(closing)
	select {
	case failure := <-v.failed:
		return errors.Join(failure, err)
	default:
		return err
	}
}

// awaitDelivery returns when the dispatcher has ended, or with ctx.
func (v *service) awaitDelivery(ctx context.Context) {
	select {
	case <-v.delivered:
	case <-ctx.Done():
	}
}

func untilDeadline(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline)
}

// work runs a part until the service stops.
func (v *service) work(name string, run func() error) {
	v.working.Go(func() {
		err := run()
		if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, http.ErrServerClosed) {
			return
		}
		select {
		case v.failed <- fmt.Errorf("%s: %w", name, err):
		default: // an earlier failure ends the service already
		}
	})
}

func (v *service) openMapping() (err error) {
	if v.mapper, err = mapping.New(v.cfg.Mapping); err != nil {
		return usage(err)
	}
	return nil
}

func (v *service) openCRM(ctx context.Context) error {
	client, err := openClient(ctx, v.cfg, v.metrics.ObserveRequest)
	if err != nil {
		return err
	}
	v.client = client
	v.down.addCloser("close CRM", func() error { return closeClient(client) })
	return v.checkBinding(ctx, accountOffline(client))
}

// checkBinding refuses a state that belongs to another account.
func (v *service) checkBinding(ctx context.Context, account string) error {
	stats, err := v.store.Stats(ctx)
	if err != nil {
		return fmt.Errorf("read binding: %w", err)
	}
	if problem := bindingProblem(stats.Binding, v.client.Properties(), account); problem != "" {
		return usage(fmt.Errorf("CRMSYNC_STATE: %s %s: %s", v.cfg.State, problem, bindingRemedy))
	}
	return nil
}

// startWork starts the receiver's and the dispatcher's own work.
func (v *service) startWork(ctx context.Context) error {
	keys := make([]connector.Key, len(v.cfg.WebhookSecrets))
	for i, secret := range v.cfg.WebhookSecrets {
		key, err := connector.ParseKey(string(secret))
		if err != nil {
			return usage(fmt.Errorf("CRMSYNC_WEBHOOK_SECRETS: secret %d %w", i+1, err))
		}
		keys[i] = key
	}
	verifier, err := connector.NewVerifier(keys)
	if err != nil {
		return usage(fmt.Errorf("CRMSYNC_WEBHOOK_SECRETS: %w", err))
	}
	v.receiver = connector.NewReceiver(connector.ReceiverOptions{
		Store: v.store, Verifier: verifier, MaxBytes: v.cfg.WebhookMaxBytes, Metrics: v.metrics, Log: v.log,
	})
	delivery := v.delivery()
	delivery.Log, delivery.Metrics, delivery.DryRun = v.log, v.metrics, v.cfg.DryRun
	if _, can := v.client.(crm.Previewer); v.cfg.DryRun && !can {
		return usage(fmt.Errorf("CRMSYNC_DRY_RUN: %w", connector.ErrNoPreview))
	}
	v.dispatch = connector.NewDispatcher(delivery)
	v.behind = newBehind(delivery)
	v.registry.MustRegister(newBacklog(v.store.Stats, v.dispatch.CRMState, v.behind.mappings, v.log))
	counting, stopCounting := context.WithCancel(context.Background())
	v.work("receiver", func() error { return v.receiver.Run(counting) })
	v.delivered = make(chan struct{})
	v.work("dispatcher", func() error {
		defer close(v.delivered)
		return v.dispatch.Run(ctx)
	})
	v.work("state", func() error { return awaitLoss(ctx, v.store) })
	v.work("retention", func() error { return keepRetention(ctx, v.store, v.cfg, v.log) })
	v.down.addCloser("finish work", func() error {
		stopCounting() // only now: the listeners are closed, nothing more is rejected
		v.working.Wait()
		return nil
	})
	return nil
}

// awaitLoss fails when the store can do nothing more before the file is opened
// anew: whoever supervises the service starts it again.
func awaitLoss(ctx context.Context, store *bolt.Store) error {
	select {
	case <-ctx.Done():
		return nil
	case <-store.Lost():
		return bolt.ErrLost
	}
}

// delivery is how events are delivered, or would be.
func (v *service) delivery() connector.DispatcherOptions {
	return deliveryOptions(v.cfg, v.store, v.client, v.mapper)
}

func (v *service) local() http.Handler {
	a := &api{
		ledger: v.store, now: time.Now, log: v.log, kind: v.cfg.CRM,
		mapping: v.mapper, client: v.client, behind: v.behind,
		kept: func() (*config.Config, error) { return v.cfg, nil },
		live: &live{
			crm: v.dispatch.CRMState, owners: v.dispatch.Owners, ready: v.receiver.Ready, flush: v.receiver.Flush,
			pause: v.dispatch.Pause, resume: v.dispatch.Resume, dryRun: v.dispatch.DryRun,
			preview: func(ctx context.Context, events []state.Event) (connector.Preview, error) {
				return connector.PreviewEvents(ctx, v.delivery(), events)
			},
		},
	}
	return localHandler(a.handler(), v.receiver.Ready)
}

// listenLocal offers the socket to the commands. A file system that knows no
// sockets is no reason not to run.
func (v *service) listenLocal(context.Context) error {
	if v.socket == "" {
		return nil // told already
	}
	listener, err := listenSocket(v.socket)
	if err != nil {
		v.log.Warn("no local socket, commands cannot look into the running connector", "error", err)
		return nil
	}
	const name = "local socket"
	server := newAdminServer(v.local())
	v.run(name, listener, server)
	v.closeLater(name, server)
	return nil
}

func (v *service) listenAdmin(ctx context.Context) error {
	if v.admin == nil {
		return nil
	}
	metrics := promhttp.HandlerFor(v.registry, promhttp.HandlerOpts{})
	return v.enter(ctx, v.admin, adminHandler(v.local(), metrics, string(v.cfg.AdminToken)), v.patience)
}

func (v *service) listenPublic(ctx context.Context) error {
	return v.enter(ctx, v.public, v.receiver, v.patience)
}
