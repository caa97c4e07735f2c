package app

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"crmsync/connector"
	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// previewVerbs say what would happen to a record, by its action.
var previewVerbs = map[string]string{
	string(crm.Created): "create", string(crm.Updated): "update", string(crm.Upserted): "create or update",
	string(crm.Adopted): "adopt (a person had created it)", string(crm.Unchanged): "unchanged",
	string(crm.Archived): "archive", string(crm.Stale): "stale", string(crm.None): "nothing",
}

// printPreview shows what would happen for people.
func printPreview(w io.Writer, p connector.Preview) error {
	for _, e := range p.Events {
		fmt.Fprintf(w, "%s %s: %s\n", printable(e.ID), orDash(printable(e.Type)), printable(endText(e)))
		for _, r := range e.Records {
			if err := printRecordPreview(w, r); err != nil {
				return err
			}
		}
		printEventNotes(w, e)
		fmt.Fprintln(w)
	}
	if len(p.Others) > 0 {
		fmt.Fprintln(w, "Other records that would change as well:")
		for _, r := range p.Others {
			if err := printRecordPreview(w, r); err != nil {
				return err
			}
		}
		fmt.Fprintln(w)
	}
	counts := recordCounts(p)
	if counts[string(crm.Unchanged)] > 0 {
		fmt.Fprintln(w, "Unchanged is what comes out as crmsync last sent it: the CRM is not asked whether somebody edited it since;\ncrmsync replay ID --force writes it again.")
	}
	_, err := fmt.Fprintln(w, previewSummary(p, counts))
	return err
}

// recordCounts counts the records of the events by action.
func recordCounts(p connector.Preview) map[string]int {
	counts := map[string]int{}
	for _, e := range p.Events {
		for _, r := range e.Records {
			counts[r.Action]++
		}
	}
	return counts
}

// endText says how an event would end.
func endText(e connector.EventPreview) string {
	text := "would end " + string(e.Status)
	if e.Status == state.Pending {
		text = "would stay pending"
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	if e.Error != "" {
		text += ": " + e.Error
	}
	return text
}

func printRecordPreview(w io.Writer, r connector.RecordPreview) error {
	text := fmt.Sprintf("  %s %s: %s", r.Object, r.Key, previewVerbs[r.Action])
	for _, part := range []struct{ label, value string }{
		{"CRM record ", r.RemoteID}, {"superseded by ", r.SupersededBy}, {"", noteText(r.Note)}, {"", r.Error},
	} {
		if part.value != "" {
			text += ", " + part.label + part.value
		}
	}
	fmt.Fprintln(w, printable(text))
	t := newTable(w)
	for _, c := range r.Changes {
		t.row(changeCells(c, r.Action == string(crm.Created))...)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, l := range r.Links {
		fmt.Fprintf(w, "    %s\n", printable(linkText(l)))
	}
	return nil
}

// changeCells show what would become of a field. A new record has no old values.
func changeCells(c connector.FieldChange, created bool) []string {
	field := "    " + c.Field
	switch {
	case c.Kept != "":
		return []string{field, oldText(c.Old), "stays: " + keptText(c)}
	case created:
		return []string{field, newText(c)}
	}
	return []string{field, oldText(c.Old), "→ " + newText(c)}
}

// keptText says why a value stays, and what it would be otherwise.
func keptText(c connector.FieldChange) string {
	why := map[mapping.Policy]string{
		mapping.IfEmpty:     "it is not empty",
		mapping.IfUnchanged: "a person wrote it",
		mapping.OnCreate:    "the record is not new",
	}[c.Kept]
	if c.New == "" {
		return fmt.Sprintf("%s (%s); the event would clear it", why, c.Kept)
	}
	return fmt.Sprintf("%s (%s); the event says %s", why, c.Kept, newText(c))
}

func oldText(old string) string {
	if old == "" {
		return "(empty)"
	}
	return quoteShort(old)
}

// newText shows what a field would become, and what that means.
func newText(c connector.FieldChange) string {
	text := quoteShort(c.New)
	switch {
	case c.New == "":
		return "(cleared)"
	case c.FullLength > 0:
		text += fmt.Sprintf(", cut to %d of %d characters", utf8.RuneCountInString(c.New), c.FullLength)
	case c.DefaultOwner || c.Owner != "":
		text += ", " + ownerText(ownerView{Email: c.Owner, ID: c.New, Default: c.DefaultOwner})
	}
	return text
}

func linkText(l connector.LinkPreview) string {
	to := l.Object + " " + l.Key
	switch l.Action {
	case connector.LinkRemove:
		return "remove link to " + to
	case connector.LinkWait:
		return "link to " + to + " waits until that is known"
	}
	return "link to " + to
}

// printEventNotes tells what is odd about an event.
func printEventNotes(w io.Writer, e connector.EventPreview) {
	for _, f := range e.Withheld {
		if f.Field == "" {
			fmt.Fprintf(w, "  Filter %s could not decide, so the event passes: %s\n", f.Variable, printable(f.Error))
			continue
		}
		fmt.Fprintf(w, "  %s %s stays as it is, its expression fails (%s): %s\n", f.Object, printable(f.Field), f.Variable, printable(f.Error))
	}
	for _, email := range e.NoOwner {
		if !defaultOwned(e, email) { // told with the field
			fmt.Fprintf(w, "  No active owner in the CRM has the address %s, and CRMSYNC_DEFAULT_OWNER names nobody instead.\n", printable(email))
		}
	}
	for _, warning := range e.Warnings {
		fmt.Fprintf(w, "  Warning: %s\n", printable(warning))
	}
}

// defaultOwned reports whether the default owner stands in for an address.
func defaultOwned(e connector.EventPreview, email string) bool {
	return slices.ContainsFunc(e.Records, func(r connector.RecordPreview) bool {
		return slices.ContainsFunc(r.Changes, func(c connector.FieldChange) bool { return c.DefaultOwner && c.Owner == email })
	})
}

// keptCount is how many values a policy keeps.
func keptCount(p connector.Preview) (n int) {
	for _, e := range p.Events {
		for _, r := range e.Records {
			for _, c := range r.Changes {
				if c.Kept != "" {
					n++
				}
			}
		}
	}
	return n
}

func previewSummary(p connector.Preview, counts map[string]int) string {
	var parts []string
	for _, action := range slices.Sorted(maps.Keys(counts)) {
		if action != "" {
			parts = append(parts, fmt.Sprintf("%d %s", counts[action], action))
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	kept := ""
	if n := keptCount(p); n > 0 {
		kept = fmt.Sprintf("; %s of the CRM kept", plural(n, "value"))
	}
	return fmt.Sprintf("%s, %s to the CRM; records: %s%s. Nothing was written.",
		plural(len(p.Events), "event"), plural(p.Requests, "request"), strings.Join(parts, ", "), kept)
}
