package statetest

import (
	"fmt"
	"sync"

	"crmsync/state"
)

// concurrentWork lets workers claim, settle and release while events come in,
// and watches that no lane is in two claims.
func concurrentWork(f *fixture) {
	const events, workers = 200, 4
	var wg, ended sync.WaitGroup
	ended.Add(events)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < events; i += workers {
				name := fmt.Sprint("c", i)
				m := f.call(name, activity(name), contact(fmt.Sprint("u", i%7)))
				if _, err := f.store.Accept(f.ctx, m); err != nil {
					f.Error(err)
					ended.Done()
				}
			}
		})
	}
	held := laneWatch{held: make(map[state.Lane]int)}
	stop := make(chan struct{})
	for w := range workers {
		wg.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
					work(f, &held, w+1, round, &ended)
				}
			}
		})
	}
	ended.Wait()
	close(stop)
	wg.Wait()
	f.counts(map[state.Status]int64{state.Applied: events})
}

// work is one round of a worker: every third one gives everything back.
func work(f *fixture, held *laneWatch, worker, round int, ended *sync.WaitGroup) {
	c, err := f.store.Claim(f.ctx, state.ClaimOptions{Max: 10})
	if err != nil {
		f.Error(err)
		return
	}
	var b state.Batch
	var seqs []uint64
	for _, e := range c.Events {
		held.take(f, worker, e.Lanes)
		seqs = append(seqs, e.Seq)
		b.Settlements = append(b.Settlements, state.Settlement{Seq: e.Seq, Status: state.Applied})
	}
	// A commit, so that the others can claim meanwhile.
	if err := f.store.CountRejected(f.ctx, nil, 0); err != nil {
		f.Error(err)
	}
	held.drop(worker)
	if round%3 == 0 {
		err = f.store.Release(f.ctx, seqs...)
	} else if err = f.store.Settle(f.ctx, b); err == nil {
		ended.Add(-len(seqs))
	}
	if err != nil {
		f.Error(err)
	}
}

// laneWatch knows which worker holds which lane.
type laneWatch struct {
	mu   sync.Mutex
	held map[state.Lane]int
}

func (l *laneWatch) take(f *fixture, worker int, lanes []state.Lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lane := range lanes {
		if other := l.held[lane]; other != 0 && other != worker {
			f.Errorf("%s is held by workers %d and %d", lane, other, worker)
		}
		l.held[lane] = worker
	}
}

// drop forgets what a worker holds, before it gives it back.
func (l *laneWatch) drop(worker int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for lane, holder := range l.held {
		if holder == worker {
			delete(l.held, lane)
		}
	}
}
