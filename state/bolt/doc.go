// Package bolt is the embedded [state.Store]: one bbolt file.
//
// # Writing
//
// One goroutine, the committer, owns the write transaction and everything that
// is kept in memory: the leases. Writers hand it operations; while one commit
// runs the next operations gather and then share a transaction and its fsync,
// so a lone writer waits for nobody and a crowd does not wait for one fsync
// each; in a crowd a group waits a moment for more. An operation that returns an error is taken out and the others are run
// again without it, so operations must be repeatable; a commit that fails
// fails for all of them and leaves nothing behind, in the file or in memory.
//
// # Layout
//
// Every bucket is keyed so that what is asked for can be read without looking
// at the rest:
//
//	inbox     seq                    → line of a pending event
//	ledger    seq                    → line of an ended event
//	payloads  seq                    → size, s2 block and checksum of the body
//	ids       event id               → seq
//	messages  message id             → seq
//	queue     mask seq               → pending and due
//	delayed   mask due seq           → pending, not due yet
//	links     object key             → link
//	waiting   target kind record     → what waits for the target
//	ready     target                 → known, with waiting links
//	doubt     object key             → when the create was first sent
//	crmsync   format totals binding paused → one value each
//
// The mask is the set of objects of an event's unsettled records: a claim
// reads only the masks that have an object which is not paused. A line moves
// from inbox to ledger when its event ends, so that ledger pages are written
// in order and stay full. Ids that are UUIDs take 16 bytes.
//
// # Files
//
// Beside the file stands <path>.lock: who has it open, and on which socket
// that process answers. Copy a file in use only with [Store.Backup]. [Compact]
// makes a copy <path>.compacting and puts it in the file's place.
//
// The format version changes when an older release could not use the file any
// more; keys and members that it does not know it passes over. Open brings a
// file of an older version up to date, after a backup <path>.v<version>.bak.
//
// Example:
//
//	store, err := bolt.Open("crmsync.db", bolt.Options{})
//	if err != nil {
//		return err
//	}
//	defer store.Close()
package bolt
