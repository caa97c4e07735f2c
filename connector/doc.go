// Package connector moves events from the webhook to the CRM.
//
// The receiver verifies a delivery and commits it to the state before it
// answers. The dispatcher takes whatever is pending in rounds: it claims
// events, decodes and maps them, plans one write per record key, sends the
// writes in batches, and settles the whole round in one transaction. There is
// one round at a time, so two writes of one record never overlap (I4), and the
// size of a round follows the load: a quiet connector delivers each event at
// once, a busy one fills its batches.
//
//	receiver.go    POST /webhooks            → state.Accept
//	dispatcher.go  claim → round → settle, and the waits between
//	round.go       decode and map what was claimed, collect outcomes
//	plan.go        who wins, what is unchanged, what has to be written
//	targets.go     which links are wanted, and which may be left over
//	policy.go      fields that a person's edit, or the CRM's value, wins
//	write.go       records and what each failure of one means
//	refuse.go      whose fault a refusal is: the record's, or the mapping's
//	deliver.go     batches, halving, and what a failed request means
//	conflict.go    values that another record holds
//	links.go       links between records, those that wait included
//	trouble.go     records that get no answer while others arrive
//	gate.go        pauses, breaker, rate limit: whether writing makes sense now
//	settlement.go  what became of the events of a round
//	look.go        what is looked at again before writing goes on
//	drift.go       whether the schema still fits the mapping
//	losses.go      fields that are gone from it
//	owners.go      who can own records
//	check.go       what is wrong with a mapping, told before events meet it
//	halt.go        pauses that a person ordered
//	rehearsal.go   a client that only reads; rehearsal_rounds.go plays rounds with it
//	preview.go     what these would do, told event by event
//	dryrun.go      the same for everything that is pending, as it comes
//
// A failure is about one record (it ends dead, or tries again later), about one
// object (the object pauses) or about the account (writing pauses). Acceptance
// never pauses.
//
// Example:
//
//	d := connector.NewDispatcher(connector.DispatcherOptions{
//		Store: store, Client: client, Mapper: mapper, Log: log,
//	})
//	err := d.Run(ctx) // until ctx ends; drains what is in flight
package connector
