package app

import (
	"encoding/json"
	"net/url"
	"strings"

	"crmsync/crm"
	"crmsync/state"
)

// eventsCommand lists the ledger, newest event first.
type eventsCommand struct {
	stateFlags
	Status string `placeholder:"S" help:"Only events of this status: pending, applied, unchanged, skipped, stale or dead."`
	Type   string `placeholder:"T" help:"Only events of this type, such as call.completed."`
	Since  string `placeholder:"D" help:"Only events received since: 36h, 7d or a date."`
	Limit  count  `placeholder:"N" help:"At most so many, the newest; all without it."`
}

// Help implements kong.HelpProvider.
func (*eventsCommand) Help() string {
	return `Lists what was received, newest first: each event with its status and the records that it wrote. Times are UTC.

Examples:
  crmsync events --limit 20                   what came in lately?
  crmsync events --status dead                what needs a person?
  crmsync events --type call.completed --since 7d
  crmsync events --since 2026-11-18 --json    one event a line, for tools`
}

// Run prints the events as they are read: the ledger may be long.
func (c *eventsCommand) Run(s *session) error {
	query := url.Values{}
	setGiven(query, "status", c.Status)
	setGiven(query, "type", c.Type)
	setGiven(query, "since", c.Since)
	none := "No events. crmsync send FILE posts one to a running connector."
	if len(query) > 0 {
		none = "No events match; without flags crmsync events lists all."
	}
	return s.printList(c.stateFlags, listing{
		path:   "/api/v1/events",
		query:  query,
		limit:  int(c.Limit),
		header: []string{"RECEIVED", "TYPE", "STATUS", "ID", "RECORDS", "NOTE"},
		cells:  eventCells,
		none:   none,
	})
}

func eventCells(entry json.RawMessage) ([]string, error) {
	var e eventView
	if err := json.Unmarshal(entry, &e); err != nil {
		return nil, err
	}
	var records []string
	var notes []string
	for _, text := range []string{e.Reason, e.Error} {
		if text != "" {
			notes = append(notes, text)
		}
	}
	for _, r := range e.Records {
		record := r.Object + " " + recordFate(r)
		if r.Action == string(crm.Archived) && r.RemoteID != "" { // nothing else leads to it any more
			record += " " + r.RemoteID
		}
		records = append(records, record)
		if r.Note != "" {
			notes = append(notes, r.Note)
		}
	}
	return []string{
		timeText(&e.ReceivedAt), e.Type, string(e.Status), e.ID, strings.Join(records, ", "), strings.Join(notes, ": "),
	}, nil
}

// recordFate is the action taken for a record, or its status until there is one.
func recordFate(r state.Record) string {
	if r.Action != "" {
		return r.Action
	}
	return string(r.Status)
}

func setGiven(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}
