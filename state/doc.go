// Package state is the contract of the durable memory: which events were
// received, how each of them ended, and which CRM record every call, user and
// organisation became.
//
// An event is accepted as pending, claimed by the dispatcher, and settled with
// a [Status]; status, records and links of a whole round commit together or
// not at all (I3). The counts add up at every commit (I9):
//
//	received = pending + applied + unchanged + skipped + stale + dead
//
// A [Lane] is one record key. A lane belongs to one claim at a time (I4); one
// claim may hold many events of a lane.
//
// The package holds types only. Package bolt is the embedded store, package
// statetest the suite that every store passes.
//
// Example: take what is pending, and settle one event.
//
//	claim, err := store.Claim(ctx, state.ClaimOptions{Max: 100})
//	…
//	err = store.Settle(ctx, state.Batch{
//		Settlements: []state.Settlement{{Seq: claim.Events[0].Seq, Status: state.Applied, Records: outcomes}},
//		Links:       []state.Link{link},
//	})
package state
