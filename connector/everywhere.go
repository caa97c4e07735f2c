package connector

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// everywhere calls f with 0 to n-1, on all processors: decoding and mapping are
// most of what a round computes, and the CRM waits meanwhile.
func everywhere(n int, f func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	workers.Wait()
}
