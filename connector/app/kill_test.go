package app_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"crmsync/crm/sandbox"
)

// -kills kills more often than a usual run has time for.
var kills = flag.Int("kills", 200, "how often TestI7_KilledAnywhere kills the program")

const (
	killRounds = 3       // of every kill point, in one history
	killWave   = 40      // events sent around one kill
	ballast    = 1 << 20 // bytes in every state that cannot be compressed
)

const beforeTheAnswer = "after the commit, before the answer"

// killPoint brings the running program to a certain instant and kills it there.
// It returns without a running program.
type killPoint struct {
	name string
	kill func(*killWorld)
}

func killPoints() []killPoint {
	return []killPoint{
		{"at any instant", (*killWorld).atAnyInstant},
		{"while it starts", (*killWorld).whileItStarts},
		{beforeTheAnswer, (*killWorld).beforeTheAnswer},
		{"after the write, before the settlement", (*killWorld).beforeTheSettlement},
		{"between records and links", (*killWorld).beforeTheLinks},
		{"inside the settlement", (*killWorld).insideTheSettlement},
		{"during a backup", (*killWorld).duringABackup},
		{"during a compaction", (*killWorld).duringACompaction},
		{"while waiting links are made", (*killWorld).whileLinksDrain},
	}
}

// I7: the program may be killed at any instant and any number of times. Once
// the sender, who repeats what was not answered, is done, the CRM holds what
// one ordered run leaves there, every event is in the state once, and the state
// is sound.
func TestI7_KilledAnywhere(t *testing.T) {
	t.Parallel() // they wait more than they work
	points := killPoints()
	perHistory := killRounds * len(points)
	histories := (*kills + perHistory - 1) / perHistory
	var mu sync.Mutex
	hits, total := map[string]int{}, 0
	t.Run("histories", func(t *testing.T) {
		for seed := range histories {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				w := newKillWorld(t, uint64(seed), perHistory)
				w.live(killPoints())
				mu.Lock()
				defer mu.Unlock()
				total += w.kills
				for name, n := range w.hits {
					hits[name] += n
				}
			})
		}
	})
	if total < *kills {
		t.Errorf("%d kills, want %d", total, *kills)
	}
	for _, p := range points {
		if hits[p.name] < killRounds*histories {
			t.Errorf("%s: killed %d times, want %d", p.name, hits[p.name], killRounds*histories)
		}
	}
	t.Logf("%d kills: %v", total, hits)
}

// killWorld is a program that is killed, and what it talks to.
type killWorld struct {
	*connectorProcess
	trap
	crm    *sandbox.Server
	random *rand.Rand

	waves      [][]delivery
	deliveries int      // ever made
	events     int      // distinct ones
	want       []string // in the CRM in the end
	late       int      // organisations that came after their calls

	sent   chan struct{} // closed when everything in the present wave is accepted
	point  string        // where it is to be killed
	missed bool          // the kill came too late
	kills  int
	hits   map[string]int
}

func newKillWorld(t *testing.T, seed uint64, waves int) *killWorld {
	w := &killWorld{random: rand.New(rand.NewPCG(seed, 7)), hits: map[string]int{}}
	w.crm = sandbox.New(sandbox.Options{Token: "pat-end-to-end-secret", Seed: seed, Observe: func(e sandbox.Exchange) {
		if e.Status/100 == 2 {
			w.passes(e.Op) // it took effect and is not answered yet
		}
	}})
	url, err := w.crm.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.crm.Close() })
	settings := []string{"CRMSYNC_BATCH_SIZE=10"}
	if seed%2 == 1 { // nobody edits the CRM: its own values must not pass for edits
		for _, field := range []string{
			"CONTACT_lastname", "CONTACT_crmsync_role", "CONTACT_crmsync_deleted", "COMPANY_name",
			"ACTIVITY_hs_call_title", "ACTIVITY_hs_call_body", "ACTIVITY_hs_timestamp", "ACTIVITY_crmsync_score",
		} {
			settings = append(settings, "CRMSYNC_POLICY_"+field+"=if_unchanged")
		}
	}
	w.connectorProcess = newConnector(t, url, settings...)
	w.crm.SetLatency(time.Millisecond)
	w.trap.kill = w.die
	front := listen(t, "tcp", "127.0.0.1:0")
	w.url = "http://" + front.Addr().String() + "/webhooks"
	relay{"tcp", w.addr, func(answer []byte) bool {
		return bytes.Contains(answer, []byte("HTTP/1.1 204")) && w.passes(answered)
	}}.serve(t, front)
	w.makeWaves(waves)
	return w
}

// makeWaves makes the load. The first wave brings the ballast, of a type that
// nobody knows: it makes reading the state take a while.
func (w *killWorld) makeWaves(n int) {
	s := newStream(n * killWave)
	all := s.shuffled()
	w.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	w.waves = slices.Collect(slices.Chunk(all, (len(all)+n-1)/n))
	noise := make([]byte, ballast)
	for i := range noise {
		noise[i] = byte(w.random.Uint32())
	}
	w.waves[0] = append(w.waves[0], delivery{
		id: "msg_ballast", body: fmt.Sprintf(`{"id":"ballast","type":"team.created","payload":"%x"}`, noise),
		secret: endToEndSecrets[0], family: "svix",
	})
	w.want, w.events, w.deliveries = s.want, len(s.bodies)+1, len(all)+1
}

// live takes the program through all its deaths and looks at what is left.
func (w *killWorld) live(points []killPoint) {
	w.start()
	for range killRounds {
		w.random.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		for _, p := range points {
			w.send()
			w.hit(p)
			<-w.sent
		}
	}
	var status statusJSON
	w.eventually("nothing is left to do", time.Minute, func() bool {
		status = w.status()
		return status.Pending+status.WaitingLinks == 0
	})
	w.stop()
	w.judge(status)
}

// hit kills at a point and starts again. What could not be killed in time is
// tried again.
func (w *killWorld) hit(p killPoint) {
	for range 20 {
		w.point, w.missed = p.name, false
		p.kill(w)
		w.start()
		if !w.missed {
			w.hits[p.name]++
			return
		}
	}
	w.t.Fatalf("%s: never killed in time", p.name)
}

func (w *killWorld) judge(status statusJSON) {
	slices.Sort(w.want)
	compare(w.t, dump(w.crm), w.want)
	if !status.Balanced || status.Received != w.events || status.Dead != 0 || status.Skipped != 1 {
		w.t.Errorf("status %+v, want %d events", status, w.events)
	}
	// What was committed and not answered came again, and was known.
	least := w.deliveries - w.events + w.hits[beforeTheAnswer]
	if status.Duplicates < least {
		w.t.Errorf("%d duplicates, want at least %d", status.Duplicates, least)
	}
	w.mustRun("state", "verify")
	w.mustRun("state", "compact")
	if left, err := filepath.Glob(filepath.Join(w.dir, "*.compacting")); err != nil || len(left) > 0 {
		w.t.Errorf("%v is left, %v", left, err)
	}
	if strings.Contains(w.log.String(), "DATA RACE") {
		w.t.Errorf("a race:\n%s", w.log)
	}
}

// send sends the next wave as Svix does, until everything in it is accepted.
func (w *killWorld) send() {
	w.sendWave(w.waves[0])
	w.waves = w.waves[1:]
}

func (w *killWorld) sendWave(wave []delivery) {
	sent := make(chan struct{})
	w.sent = sent
	w.t.Cleanup(func() { <-sent })
	go func() { defer close(sent); w.sendAll(wave) }()
}

// spring kills at the event that when chooses.
func (w *killWorld) spring(when func(event string) bool) { w.await(w.set(when)) }

func (w *killWorld) await(sprung <-chan struct{}) {
	select {
	case <-sprung:
	case <-time.After(patience):
		w.t.Fatalf("%s: the point was not reached in %s\n%s", w.point, patience, w.log)
	}
}

// die kills what runs. It is missed when it had ended well before.
func (w *killWorld) die() {
	_ = w.cmd.Process.Kill() // one that has ended has another status
	err := <-w.ended
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		w.missed = true
	case !failed || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL:
		w.t.Errorf("%v ended by itself: %v\n%s", w.cmd.Args, err, w.log)
	default:
		w.kills++
	}
}

// within waits up to d, for a time that is different every time.
func (w *killWorld) within(d time.Duration) { <-time.After(rand.N(d)) }
