package app

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"crmsync/connector"
)

// statusCommand shows the counts, and whether all is well.
type statusCommand struct {
	stateFlags
}

// Help implements kong.HelpProvider.
func (*statusCommand) Help() string {
	return `Shows how many events there are of each status, how long the oldest waits, what was rejected at the door, whether the CRM
takes writes, and how many records another mapping wrote than the one configured now. Dead events are no reason to fail: they wait for a person.

Exit codes: 0 fine, 1 the counts do not add up, writing is paused or events cannot be accepted.

Examples:
  crmsync status
  crmsync status --json | jq .pending
  crmsync status --state backup.db            of a stopped connector or a backup`
}

// Run fails when the counts do not add up, the CRM is paused, or the running
// connector cannot accept events.
func (c *statusCommand) Run(s *session) error {
	client, err := s.open(c.stateFlags, readOnly)
	if err != nil {
		return err
	}
	defer client.Close()
	var v statusView
	if err := client.get(s.ctx, "/api/v1/status", nil, &v); err != nil {
		return err
	}
	print := printStatus
	if c.JSON {
		print = func(w io.Writer, v statusView) error { return printJSON(w, v) }
	}
	if err := print(s.stdout, v); err != nil {
		return err
	}
	if !v.Balanced || v.CRM.State == connector.StatePaused || v.refusing() {
		return errTold
	}
	return nil
}

func printStatus(w io.Writer, v statusView) error {
	t := newTable(w)
	count := func(name string, n int64, note string) {
		if note != "" {
			note = "(" + note + ")"
		}
		fmt.Fprintf(t.w, "%s\t%d\t%s\n", name, n, note)
	}
	backlog := ""
	if v.Pending > 0 {
		backlog = "oldest waits for " + secondsText(v.OldestPendingSeconds)
	}
	count("received", v.Received, lastEventText(v))
	count("  pending", v.Pending, backlog)
	count("  applied", v.Applied, "")
	count("  unchanged", v.Unchanged, "")
	count("  skipped", v.Skipped, reasonsText(v.Reasons, "skipped/"))
	count("  stale", v.Stale, "")
	count("  dead", v.Dead, reasonsText(v.Reasons, "dead/"))
	count("duplicates", v.Duplicates, "")
	count("rejected", v.Rejected, reasonsText(v.RejectedReasons, ""))
	count("waiting links", v.WaitingLinks, "")
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nCRM: %s\n", crmText(v))
	if v.DryRun != nil {
		fmt.Fprintln(w, dryRunText(*v.DryRun))
	}
	for _, advice := range statusAdvice(v) {
		fmt.Fprintln(w, advice)
	}
	return nil
}

// dryRunText says what would have been written.
func dryRunText(d connector.DryRun) string {
	list := func(counts map[string]int) string {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%s %d", orDash(name), counts[name]))
		}
		return strings.Join(parts, ", ")
	}
	ends := map[string]int{}
	for status, n := range d.Statuses {
		ends[string(status)] = n
	}
	if d.Events == 0 {
		return "Dry run: nothing is written (CRMSYNC_DRY_RUN); no pending event has been looked at yet."
	}
	return fmt.Sprintf("Dry run: nothing is written (CRMSYNC_DRY_RUN). Of %s would end: %s; records: %s; links: %d; writing requests: %d.",
		plural(d.Events, "pending event"), list(ends), list(d.Actions), d.Links, d.Requests)
}

// refusing reports whether a connector runs that cannot accept events.
func (v statusView) refusing() bool { return v.Running && !v.Ready }

func lastEventText(v statusView) string {
	if v.LastEventAt == nil {
		return ""
	}
	return "last at " + timeText(v.LastEventAt)
}

// reasonsText lists the reasons that start with prefix and their counts.
func reasonsText(reasons map[string]int64, prefix string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		if reason, ok := strings.CutPrefix(name, prefix); ok && reasons[name] > 0 {
			parts = append(parts, reason+" "+strconv.FormatInt(reasons[name], 10))
		}
	}
	return strings.Join(parts, ", ")
}

func crmText(v statusView) string {
	kind := v.CRM.Kind
	if kind == "" {
		kind = "none yet"
	}
	if !v.Running {
		return kind + "; " + v.CRM.Reason
	}
	text := kind + ", " + v.CRM.State
	if len(v.CRM.PausedObjects) > 0 {
		text += " (" + strings.Join(v.CRM.PausedObjects, ", ") + ")"
	}
	if v.CRM.Reason != "" {
		text += ": " + printable(v.CRM.Reason)
	}
	return text
}

// clockSkewWorthSaying is half of the tolerance of a signature's time.
const clockSkewWorthSaying = 150 * time.Second

// statusAdvice says what to do about what is not well.
func statusAdvice(v statusView) []string {
	var advice []string
	if !v.Balanced {
		advice = append(advice, "The counts do not add up: run crmsync state verify.")
	}
	if v.refusing() {
		advice = append(advice, "Events cannot be accepted, senders are asked to come again: "+printable(v.ReadyReason)+".")
	}
	switch {
	case v.PausedByHandSince != nil:
		advice = append(advice, "Writing was paused by hand, events are still accepted; crmsync resume lets it go on.")
	case v.CRM.State == connector.StatePaused:
		advice = append(advice, "Writing is paused, events are still accepted. Mend what the reason names; crmsync check looks for more. Writing resumes by itself.")
	}
	advice = append(advice, behindText(v.Behind, ": crmsync resync runs them through today's")...)
	if v.Dead > 0 {
		advice = append(advice, "Dead events wait for you: crmsync events --status dead lists them, crmsync explain ID says why, crmsync replay ID queues one again.")
	}
	if v.RejectedReasons["bad_signature"] > 0 && v.Received == 0 {
		advice = append(advice, "No request had a valid signature: compare CRMSYNC_WEBHOOK_SECRETS with the endpoint's signing secret.")
	}
	if skew := time.Duration(v.ClockSkewSeconds * float64(time.Second)); skew.Abs() > clockSkewWorthSaying {
		advice = append(advice, fmt.Sprintf("A request was refused because its time was off by %s: check the clock of this machine.", skew.Abs().Round(time.Second)))
	}
	return advice
}
