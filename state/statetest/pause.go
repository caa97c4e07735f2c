package statetest

import (
	"time"

	"crmsync/state"
)

var pauseTests = []test{
	{"outlives a restart, until it is taken back", func(f *fixture) {
		f.paused(time.Time{})
		f.ok(f.store.SetPaused(f.ctx, epoch))
		f.paused(epoch)
		f.reopen()
		f.paused(epoch)
		f.ok(f.store.SetPaused(f.ctx, epoch.Add(time.Hour)))
		f.paused(epoch.Add(time.Hour))
		f.ok(f.store.SetPaused(f.ctx, time.Time{}))
		f.paused(time.Time{})
		f.reopen()
		f.paused(time.Time{})
	}},
	{"wakes, and claims as before: the dispatcher asks", func(f *fixture) {
		f.add("c1")
		for _, since := range []time.Time{epoch, {}} {
			f.drainWake()
			f.ok(f.store.SetPaused(f.ctx, since))
			select {
			case <-f.store.Wake():
			default:
				f.Errorf("nobody was woken by %v", since)
			}
		}
		f.ok(f.store.SetPaused(f.ctx, epoch))
		f.claimed(state.ClaimOptions{}, "evt-c1")
		f.accept(f.call("c2"), state.Added)
	}},
}

func (f *fixture) paused(want time.Time) {
	f.Helper()
	got, err := f.store.Paused(f.ctx)
	f.ok(err)
	f.equal("paused", got, want)
}

func (f *fixture) drainWake() {
	select {
	case <-f.store.Wake():
	default:
	}
}
