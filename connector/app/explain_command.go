package app

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"crmsync/state"
)

// explainCommand tells one event's whole story.
type explainCommand struct {
	stateFlags
	ID string `arg:"" name:"id" help:"Event id or message id."`
}

// Help implements kong.HelpProvider.
func (*explainCommand) Help() string {
	return `Shows what came in, what each mapped field becomes by the mapping in force, what was sent and what the CRM answered. Values
are shown: mind who reads the output.

Examples:
  crmsync explain msg_2Lh9KRb0pzN4LePd3XiA4v9Q
  crmsync explain msg_2Lh9KRb0pzN4LePd3XiA4v9Q --json
  crmsync explain evt_77 --state backup.db     in a backup`
}

// Run prints the story, values included.
func (c *explainCommand) Run(s *session) error {
	client, err := s.open(c.stateFlags, readOnly)
	if err != nil {
		return err
	}
	defer client.Close()
	var v explainView
	if err := client.get(s.ctx, "/api/v1/events/"+url.PathEscape(c.ID), nil, &v); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.stdout, v)
	}
	return printExplain(s.stdout, v)
}

func printExplain(w io.Writer, v explainView) error {
	t := newTable(w)
	t.row("event", v.ID)
	t.row("message", v.MessageID)
	t.row("received", timeText(&v.ReceivedAt)+", signature "+v.Signature+payloadText(v))
	if d := v.Decoded; d != nil {
		t.row("decoded", d.Type+" of "+orDash(d.Key)+" at "+timeText(d.Timestamp))
		for _, warning := range d.Warnings {
			t.row("", warning)
		}
	}
	t.row("status", statusText(v))
	for _, r := range v.Records {
		if r.Error == v.Error {
			r.Error = "" // told with the status
		}
		if strings.Contains(v.Error+r.Error, r.RequestID) {
			r.RequestID = "" // the error names it
		}
		t.row("record", recordText(r))
	}
	if err := t.flush(); err != nil {
		return err
	}
	return printMapped(w, v)
}

func payloadText(v explainView) string {
	if v.PayloadBytes == 0 {
		return ", payload gone"
	}
	return fmt.Sprintf(", payload of %d bytes", v.PayloadBytes)
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

func recordText(r state.Record) string {
	text := r.Object + " " + r.Key + ": " + recordFate(r)
	if r.RemoteID != "" {
		text += ", CRM record " + r.RemoteID
	}
	for _, part := range []struct{ label, value string }{
		{"superseded by ", r.SupersededBy}, {"", r.Note}, {"", r.Reason},
		{"field ", r.Field}, {"", r.Error}, {"request ", r.RequestID},
	} {
		if part.value != "" {
			text += ", " + part.label + part.value
		}
	}
	return text
}

// printMapped shows the records as the mapping in force makes them.
func printMapped(w io.Writer, v explainView) error {
	for _, m := range v.Mapped {
		fmt.Fprintf(w, "\n%s %s, as mapped now:\n", m.Object, printable(m.Key))
		t := newTable(w)
		for _, f := range m.Fields {
			value := valueText(f.Value)
			if f.Error != "" {
				value = "withheld: " + f.Error
			}
			t.row("  "+f.Field, f.Expression, value)
		}
		for _, l := range m.Links {
			t.row("  link", string(l.Object), l.Key)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	for _, f := range v.Withheld {
		if f.Field == "" {
			fmt.Fprintf(w, "\nFilter %s could not decide, so the event passes: %s.\n", f.Variable, printable(f.Error))
		}
	}
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
