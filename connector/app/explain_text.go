package app

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"crmsync/connector"
	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// maxExpression is how much of an expression people get to see beside its value;
// they wrote it, and --json has all of it.
const maxExpression = 60

// printExplain shows an event's story for people.
func printExplain(w io.Writer, v explainView) error {
	t := newTable(w)
	t.row("event", v.ID)
	t.row("message", v.MessageID)
	t.row("received", timeText(&v.ReceivedAt)+", "+signatureText(v)+payloadText(v))
	if d := v.Decoded; d != nil {
		t.row("decoded", d.Type+" of "+orDash(d.Key)+" at "+timeText(d.Timestamp))
		for _, warning := range d.Warnings {
			t.row("warning", warning)
		}
	}
	for _, f := range v.Filters {
		t.row("filter", filterText(f))
	}
	t.row("status", statusText(v))
	for _, r := range v.Records {
		printRecord(t, v, r)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, m := range v.Mapped {
		if err := printMapped(w, m); err != nil {
			return err
		}
	}
	return printRest(w, v)
}

// signatureText says by which secret a delivery was signed: what a rotation
// waits for.
func signatureText(v explainView) string {
	text := "signature " + v.Signature
	switch s := v.SignedBy; {
	case s == nil:
		return text + " (by which secret was not noted)"
	case s.Of == 1:
		return text + " (the only secret)"
	default:
		return text + fmt.Sprintf(" (secret %d of %d)", s.Secret, s.Of)
	}
}

func payloadText(v explainView) string {
	if v.PayloadBytes == 0 {
		return ", payload gone"
	}
	return fmt.Sprintf(", payload of %d bytes", v.PayloadBytes)
}

func filterText(f filterView) string {
	text := f.Variable + ": " + shortText(f.Expression, maxExpression) + " → "
	switch f.Verdict {
	case verdictTrue:
		return text + "true, it passes"
	case verdictFalse:
		return text + "false, it is filtered out"
	case verdictFailed:
		return text + "failed, so it passes: " + f.Error
	}
	return text + "not known here: it looks up an owner"
}

func statusText(v explainView) string {
	text := string(v.Status)
	if v.Reason != "" {
		text += " (" + v.Reason + ")"
	}
	if v.Attempts > 0 {
		text += ", " + plural(v.Attempts, "attempt")
	}
	if v.SettledAt != nil {
		text += ", settled " + timeText(v.SettledAt)
	}
	if v.NextAttemptAt != nil {
		text += ", next attempt " + timeText(v.NextAttemptAt)
	}
	if v.Error != "" {
		text += ": " + v.Error
	} else if v.Decoded != nil && v.Decoded.Ended != "" {
		text += ": " + v.Decoded.Ended
	}
	return text
}

// printRecord shows what became of a record, without repeating what the status
// of its event says.
func printRecord(t table, v explainView, r recordView) {
	if r.Error == v.Error {
		r.Error = ""
	}
	if strings.Contains(v.Error+r.Error, r.RequestID) {
		r.RequestID = "" // the error names it
	}
	t.row("record", recordText(r.Record))
	if r.URL != "" {
		t.row("  page", r.URL)
	}
	for _, field := range r.Kept {
		t.row("  kept", field+": "+stayedText(policyOf(v, r, field)))
	}
}

func recordText(r state.Record) string {
	text := r.Object + " " + r.Key + ": " + recordFate(r)
	if r.Action == string(crm.Unchanged) {
		text += " (as it was written last: nothing was sent)"
	}
	if r.RemoteID != "" {
		text += ", CRM record " + r.RemoteID
	}
	for _, part := range []struct{ label, value string }{
		{"superseded by ", r.SupersededBy}, {"", noteText(r.Note)}, {"", r.Reason},
		{"field ", r.Field}, {"", r.Error}, {"request ", r.RequestID},
	} {
		if part.value != "" {
			text += ", " + part.label + part.value
		}
	}
	return text
}

// noteText says what a note of a record means.
func noteText(note string) string {
	if note == connector.NoteOwnerRefused {
		return "without the owner that was found, whom the CRM refuses (" + note + ")"
	}
	if field, withheld := strings.CutSuffix(note, connector.NoteWithheld); withheld {
		return "without " + field + ", which another record of ours holds (" + note + ")"
	}
	return note
}

// printMapped shows a record as the mapping in force makes it.
func printMapped(w io.Writer, m mappedView) error {
	fmt.Fprintf(w, "\n%s %s, as mapped now:\n", m.Object, printable(m.Key))
	t := newTable(w)
	for _, f := range m.Fields {
		cells := []string{"  " + f.Field, shortText(f.Expression, maxExpression), fieldText(f)}
		if remarks := fieldRemarks(f); len(remarks) > 0 {
			cells = append(cells, strings.Join(remarks, "; "))
		}
		t.row(cells...)
	}
	for _, l := range m.Links {
		t.row("  link", string(l.Object), l.Key)
	}
	return t.flush()
}

// fieldText shows the value of a field, or why there is none.
func fieldText(f fieldView) string {
	switch {
	case f.Error != "":
		return "withheld: " + f.Error
	case f.Unknown:
		return "not known here: it looks up an owner"
	case f.Value == "":
		return `"" (clears the field)`
	}
	return valueText(f.Value)
}

// fieldRemarks say what is made of the value of a field.
func fieldRemarks(f fieldView) []string {
	var remarks []string
	text, isText := f.Value.(string)
	if !isText {
		text = valueText(f.Value)
	}
	if f.Sent != nil && *f.Sent != text {
		text = *f.Sent
		remarks = append(remarks, "sent as "+quoteShort(text))
	}
	if f.FullLength > 0 {
		remarks = append(remarks, fmt.Sprintf("cut to %d of %d characters", utf8.RuneCountInString(text), f.FullLength))
	}
	for _, o := range f.Owners {
		remarks = append(remarks, ownerText(o))
	}
	switch {
	case f.Kept:
		remarks = append(remarks, "kept: "+stayedText(f.Policy))
	case f.Policy != mapping.Always:
		remarks = append(remarks, "policy "+string(f.Policy))
	}
	return remarks
}

// stayedText says why a field was not written, by its policy today.
func stayedText(p mapping.Policy) string {
	switch p {
	case mapping.IfUnchanged:
		return "a person's value stayed (if_unchanged)"
	case mapping.IfEmpty, mapping.OnCreate:
		return "what the CRM held stayed (" + string(p) + ")"
	}
	return "what the CRM held stayed"
}

// policyOf returns the policy in force of a field of a record.
func policyOf(v explainView, r recordView, field string) mapping.Policy {
	for _, m := range v.Mapped {
		for _, f := range m.Fields {
			if string(m.Object) == r.Object && m.Key == r.Key && f.Field == field {
				return f.Policy
			}
		}
	}
	return mapping.Always
}

// ownerText says whom owner() found, and why.
func ownerText(o ownerView) string {
	switch {
	case o.Default && o.Email == "":
		return "the default owner: there is no address to look up"
	case o.Default:
		return "the default owner: nobody has the address " + o.Email
	case o.ID != "":
		return "the owner with the address " + o.Email
	case o.Email == "":
		return "no owner: there is no address to look up"
	}
	return "no owner: nobody has the address " + o.Email
}

// printRest shows what concerns the event as a whole.
func printRest(w io.Writer, v explainView) error {
	if v.Preview != nil {
		fmt.Fprintf(w, "\nDry run: %s\n", printable(endText(*v.Preview)))
		for _, r := range v.Preview.Records {
			if err := printRecordPreview(w, r); err != nil {
				return err
			}
		}
		printEventNotes(w, *v.Preview)
	}
	if v.Note != "" {
		fmt.Fprintf(w, "\nNote: %s.\n", printable(v.Note))
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// shortText is at most n characters of s.
func shortText(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}
