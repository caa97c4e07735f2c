package app

import (
	"encoding/json"
	"net/url"
	"strings"
)

// objectsCommand lists which CRM record every user, call and organisation
// became.
type objectsCommand struct {
	stateFlags
	Object string `placeholder:"O" help:"Only contact, company or activity."`
	Key    string `placeholder:"ID" help:"Only the user, organisation or call with this id."`
}

// Help implements kong.HelpProvider.
func (*objectsCommand) Help() string {
	return `Lists which record of the CRM every user (contact), organisation (company) and call (activity) became.

Examples:
  crmsync objects --object contact
  crmsync objects --key 3f1c9d2e              where did this user, call or organisation go?
  crmsync objects --json --state backup.db    one record a line, in a backup`
}

// Run prints the records as they are read: there may be many.
func (c *objectsCommand) Run(s *session) error {
	query := url.Values{}
	setGiven(query, "object", c.Object)
	setGiven(query, "key", c.Key)
	return s.printList(c.stateFlags, listing{
		path:   "/api/v1/objects",
		query:  query,
		header: []string{"OBJECT", "KEY", "CRM RECORD", "AS OF", "NOTE"},
		cells:  objectCells,
		none:   "No records.",
	})
}

func objectCells(entry json.RawMessage) ([]string, error) {
	var o objectView
	if err := json.Unmarshal(entry, &o); err != nil {
		return nil, err
	}
	var notes []string
	for _, note := range []struct {
		holds bool
		text  string
	}{{o.Deleted, "deleted"}, {o.Adopted, "adopted"}, {o.Gone, "gone from the CRM"}} {
		if note.holds {
			notes = append(notes, note.text)
		}
	}
	return []string{o.Object, o.Key, o.RemoteID, timeText(o.OccurredAt), strings.Join(notes, ", ")}, nil
}
