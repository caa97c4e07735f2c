package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// patience is how long the program may take to get to a kill point.
const patience = 30 * time.Second

func (w *killWorld) atAnyInstant() {
	w.within(150 * time.Millisecond)
	w.die()
}

// whileItStarts leaves a backlog to be found.
func (w *killWorld) whileItStarts() {
	w.within(10 * time.Millisecond)
	w.die()
	w.launch()
	w.within(150 * time.Millisecond)
	w.die()
}

func (w *killWorld) beforeTheAnswer() {
	w.spring(func(event string) bool { return event == answered })
}

// beforeTheSettlement kills when the last request of a round, or one shortly
// before it, has taken effect.
func (w *killWorld) beforeTheSettlement() {
	w.spring(func(event string) bool { return event == "POST associations/calls/contacts/batch/associate/default" })
}

func (w *killWorld) beforeTheLinks() {
	w.spring(func(event string) bool { return event == "POST objects/calls/batch/upsert" })
}

// insideTheSettlement holds the links back until nobody sends any more: what is
// committed then is the settlement.
func (w *killWorld) insideTheSettlement() {
	var linked atomic.Bool
	stop := watch(w.t, filepath.Join(w.dir, "crmsync.db"), func() { w.passes(changed) })
	defer stop()
	w.spring(func(event string) bool {
		switch {
		case strings.HasPrefix(event, "POST associations/"):
			<-w.sent
			linked.Store(true)
		case event == changed && linked.Load():
			w.within(2 * time.Millisecond) // pages, their sync, the meta page, its sync
			return true
		}
		return false
	})
}

// duringABackup wants the command to notice, and to leave nothing that looks
// like a backup. The command believes that the state is where a relay listens.
func (w *killWorld) duringABackup() {
	<-w.sent // the ballast is there
	dir, backups := w.t.TempDir(), w.t.TempDir()
	state := filepath.Join(dir, "crmsync.db")
	relay{"unix", filepath.Join(w.dir, "crmsync.db.sock"), func([]byte) bool { return w.passes(copied) }}.
		serve(w.t, listen(w.t, "unix", state+".sock"))
	var parts atomic.Int64
	parts.Store(w.random.Int64N(ballast / (8 << 10))) // of 4 KiB at most
	sprung := w.set(func(event string) bool { return event == copied && parts.Add(-1) < 0 })
	code, out := w.run("state", "backup", "--state", state, filepath.Join(backups, "copy.db"))
	w.await(sprung)
	if left, err := os.ReadDir(backups); err != nil || len(left) > 0 || code != 1 {
		w.t.Errorf("a backup that broke off left %v, %v, exit code %d\n%s", left, err, code, out)
	}
}

// duringACompaction kills state compact, once the program itself is dead.
func (w *killWorld) duringACompaction() {
	<-w.sent // the ballast is there
	w.atAnyInstant()
	stop := watch(w.t, w.dir, func() { w.passes(changed) })
	defer stop()
	begun := make(chan struct{})
	sprung := w.set(func(event string) bool {
		if event != changed || !exists(filepath.Join(w.dir, "crmsync.db.compacting")) {
			return false
		}
		w.within(10 * time.Millisecond)
		<-begun
		return true
	})
	w.execute("state", "compact")
	close(begun)
	w.await(sprung)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// whileLinksDrain makes calls whose organisation comes after them.
func (w *killWorld) whileLinksDrain() {
	<-w.sent
	org, calls := w.lateOrg(30)
	w.sendAll(calls)
	w.eventually("links wait for the organisation", patience, func() bool {
		status := w.status()
		return status.Pending == 0 && status.WaitingLinks > len(calls)
	})
	var skip atomic.Int64
	skip.Store(w.random.Int64N(2)) // of the requests with links of calls and of contacts
	sprung := w.set(func(event string) bool {
		return strings.HasPrefix(event, "POST associations/") && skip.Add(-1) < 0
	})
	w.sendWave(org) // the kill may come before it is answered, even accepted: links of others drain too
	w.await(sprung)
}

// lateOrg makes calls of one user, and the organisation of all.
func (w *killWorld) lateOrg(n int) (org, calls []delivery) {
	w.late++
	o := fmt.Sprintf("late-%d", w.late)
	deliver := func(id, kind, payload string) delivery {
		at := time.Now().UTC().Format("2006-01-02T15:04:05.000000000")
		body := fmt.Sprintf(`{"id":%q,"type":%q,"timestamp":%q,"payload":%s}`, id, kind, at, payload)
		w.events++
		w.deliveries++
		return delivery{id: "msg_" + id, body: body, secret: endToEndSecrets[0], family: "svix"}
	}
	user := fmt.Sprintf(`{"id":"%s-user","orgId":%q,"email":"rep.%s@sales.example","name":"Rep Late","status":"calling","streak":1}`, o, o, o)
	for i := range n {
		id := fmt.Sprintf("%s-call-%d", o, i)
		calls = append(calls, deliver(id, "call.completed", fmt.Sprintf(`{"call":{"id":%q,"orgId":%q,"title":"Late","stats":{"duration":61.5},"user":%s}}`, id, o, user)))
		w.want = append(w.want, fmt.Sprintf("activity %s: Late 61500  -> %s, %s-user", id, o, o))
	}
	w.want = append(w.want,
		fmt.Sprintf("contact %s-user: rep.%s@sales.example Late calling 1 false -> %s", o, o, o),
		fmt.Sprintf("company %s: Late Org active false", o))
	return []delivery{deliver(o, "org.updated", fmt.Sprintf(`{"org":{"id":%q,"name":"Late Org","status":"active"}}`, o))}, calls
}
