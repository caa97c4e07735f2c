package bolt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"crmsync/state"
)

// Codes of findings.
const (
	codePage      = "broken_page"     // the file's structure below its entries
	codeValue     = "damaged_value"   // a key or value that does not decode
	codeStatus    = "wrong_status"    // a pending line in the ledger or an ended one in the inbox, or in both
	codeMissing   = "missing_index"   // a line that an index does not lead to
	codeDangling  = "dangling_index"  // an index entry that leads nowhere or to another line
	codePayload   = "missing_payload" // of a pending or dead event
	codeOrphan    = "orphan_payload"  // without a line
	codeTotals    = "wrong_totals"    // the counts do not add up (I9)
	codeReady     = "wrong_ready"     // a known target that waits, or an unknown one that is ready
	codeUnmade    = "missing_record"  // what waits is a record that we know nothing of
	codeSequence  = "wrong_sequence"  // the next event would take the place of an earlier one
	codeTruncated = "more_findings"   // the list was cut off
	maxFindings   = 1000
)

// Verify implements [state.Store]. Writers do not wait for it. The entries of a
// file with broken pages are not looked at: it takes sound pages to find them.
func (s *Store) Verify(ctx context.Context) ([]state.Finding, error) {
	v := &verifier{ctx: ctx, payloads: s.payloads}
	err := s.checkPages(v)
	if err == nil && len(v.findings) == 0 {
		err = s.view(ctx, v.check)
	}
	if err != nil {
		return v.findings, fmt.Errorf("verify state: %w", err)
	}
	return v.findings, nil
}

// VerifyFile is Verify for a file that no connector has open. It looks at the
// pages before anything else does: those of a damaged file can lead a reader
// astray.
func VerifyFile(ctx context.Context, path string) ([]state.Finding, error) {
	db, err := lockFile(path, Options{ReadOnly: true, LockTimeout: lockTimeout})
	if err != nil {
		return nil, err
	}
	v := &verifier{ctx: ctx}
	w, err := newPageWalk(ctx, path, v.addPage)
	if err == nil {
		err = errors.Join(w.verify(), w.file.Close()) // the lock is held
	}
	if err := errors.Join(err, db.Close()); err != nil || len(v.findings) > 0 {
		return v.findings, err
	}
	s, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	findings, err := s.Verify(ctx)
	return findings, errors.Join(err, s.Close())
}

// checkPages looks at the pages of the last commit.
func (s *Store) checkPages(v *verifier) error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.closing:
		return state.ErrClosed
	default:
	}
	w, commit, err := s.freeze(v)
	if err != nil {
		return err
	}
	return errors.Join(w.verify(), w.file.Close(), commit.Rollback())
}

// freeze returns a walk through the last commit, and a transaction that keeps
// its pages from being written to. Writers wait only while it is found out which
// commit that is.
func (s *Store) freeze(v *verifier) (*pageWalk, *bbolt.Tx, error) {
	hold, err := s.db.Begin(!s.readOnly)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = hold.Rollback() }() // it has written nothing
	commit, err := s.db.Begin(false)
	if err != nil {
		return nil, nil, err
	}
	w, err := newPageWalk(v.ctx, s.path, v.addPage)
	if err != nil {
		return nil, nil, errors.Join(err, commit.Rollback())
	}
	return w, commit, nil
}

// verifier collects findings. They name events by seq: an id may be personal.
type verifier struct {
	*tables
	ctx      context.Context
	payloads *payloads
	findings []state.Finding
	sums     *totals

	counts  map[state.Status]int64
	reasons map[string]int64
	last    uint64 // the highest seq of a line
}

func (v *verifier) addPage(format string, args ...any) { v.add(codePage, format, args...) }

// add notes a finding, once.
func (v *verifier) add(code, format string, args ...any) {
	f := state.Finding{Code: code, Message: fmt.Sprintf(format, args...)}
	switch n := len(v.findings); {
	case n > maxFindings || slices.Contains(v.findings, f):
	case n < maxFindings:
		v.findings = append(v.findings, f)
	default:
		v.findings = append(v.findings, state.Finding{Code: codeTruncated, Message: "there are more findings than are listed"})
	}
}

func (v *verifier) check(t *tables) error {
	defer func() {
		if r := recover(); r != nil { // bbolt panics on pages that make no sense
			v.add(codePage, "reading the entries stopped: %v", r)
		}
	}()
	v.tables = t
	v.counts, v.reasons = make(map[state.Status]int64), make(map[string]int64)
	v.sums = t.totals()
	if t.err != nil {
		v.add(codeValue, "%v", t.err)
		t.err, v.sums = nil, new(totals)
	}
	for _, check := range []func(){
		func() { v.lines(inbox) }, func() { v.lines(ledger) },
		v.sequence, v.totals, v.idIndexes, v.queues, v.orphans, v.waiting, v.ready, v.values, v.mapped,
	} {
		check()
		if v.ctx.Err() != nil {
			return v.ctx.Err()
		}
		if v.err != nil {
			v.add(codeValue, "%v", v.err)
			v.err = nil
		}
	}
	return nil
}

// lines checks what every line of a bucket must have.
func (v *verifier) lines(from bucket) {
	for k, line := range v.all(from) {
		seq := parseSeq(k)
		e, err := decodeEvent(seq, line)
		if err != nil {
			v.add(codeValue, "%s line %d: %v", from, seq, err)
			continue
		}
		v.last = max(v.last, seq)
		v.counts[e.Status]++
		if reason := countedReason(&e); reason != "" {
			v.reasons[reason]++
		}
		if (e.Status == state.Pending) != (from == inbox) {
			v.add(codeStatus, "%s line %d is %s", from, seq, e.Status)
		}
		if (e.Status == state.Pending) != e.SettledAt.IsZero() {
			v.add(codeStatus, "%s line %d is %s, settled: %t", from, seq, e.Status, !e.SettledAt.IsZero())
		}
		if from == ledger && v.has(inbox, k) {
			v.add(codeStatus, "line %d is pending and ended", seq)
		}
		v.lineIndexes(&e)
		v.payload(&e)
		if v.ctx.Err() != nil {
			return
		}
	}
}

func (v *verifier) lineIndexes(e *state.Event) {
	if seq, _ := v.seqOf(ids, e.ID); seq != e.Seq {
		v.add(codeMissing, "event id of line %d leads to line %d", e.Seq, seq)
	}
	if seq, _ := v.seqOf(messages, e.MessageID); seq != e.Seq {
		v.add(codeMissing, "message id of line %d leads to line %d", e.Seq, seq)
	}
	if e.Status != state.Pending {
		return
	}
	m := unsettled(e)
	queued, rests := v.has(queue, queueKey(m, e.Seq)), v.has(delayed, delayedKey(m, e.NotBefore, e.Seq))
	if queued == rests {
		v.add(codeMissing, "line %d: queued %t, delayed %t, want one of them", e.Seq, queued, rests)
	}
}

func (v *verifier) payload(e *state.Event) {
	packed := v.get(bodies, seqKey(e.Seq))
	if packed == nil {
		if e.Status == state.Pending || e.Status == state.Dead {
			v.add(codePayload, "payload of line %d (%s) is missing", e.Seq, e.Status)
		}
		return
	}
	if _, err := v.payloads.unpack(packed); err != nil {
		v.add(codeValue, "payload of line %d: %v", e.Seq, err)
	}
}

// sequence checks that the next event gets a place of its own.
func (v *verifier) sequence() {
	if b := v.bucket(inbox); b != nil && b.Sequence() < v.last {
		v.add(codeSequence, "the next event would become line %d, there is a line %d already", b.Sequence()+1, v.last)
	}
}

// totals checks that lines + pruned = count for every status.
func (v *verifier) totals() {
	v.sane()
	var sum, pruned int64
	for _, status := range state.Statuses() {
		want := v.counts[status] + v.sums.Pruned[status]
		if got := v.sums.Counts[status]; got != want {
			v.add(codeTotals, "%d events are counted as %s, lines and pruned ones make %d", got, status, want)
		}
		sum += v.sums.Counts[status]
		pruned += v.sums.Pruned[status]
	}
	if sum != v.sums.Received {
		v.add(codeTotals, "%d events were received, the statuses add up to %d", v.sums.Received, sum)
	}
	reasons := maps.Clone(v.reasons)
	maps.Copy(reasons, v.sums.Reasons)
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		lines, total := v.reasons[reason], v.sums.Reasons[reason]
		if total < lines || total > lines+pruned {
			v.add(codeTotals, "%d events are counted as %s, there are %d lines and %d pruned ones", total, reason, lines, pruned)
		}
	}
}

// sane checks each count by itself: two wrong ones can add up.
func (v *verifier) sane() {
	check := func(name string, n int64) {
		if n < 0 {
			v.add(codeTotals, "%s: %d is less than none", name, n)
		}
	}
	check("received", v.sums.Received)
	check("duplicates", v.sums.Duplicates)
	for _, counts := range []map[state.Status]int64{v.sums.Counts, v.sums.Pruned} {
		for status, n := range counts {
			check(string(status), n)
			if statusCode(status) == 0 {
				v.add(codeTotals, "%d events are counted as %q, which is no status", n, status)
			}
		}
	}
	for reason, n := range v.sums.Rejected {
		check("rejected as "+reason, n)
	}
}
