package app

import (
	"encoding/json"
	"fmt"
	"net/url"
)

// listing is a list of the API and how people get to see it.
type listing struct {
	path   string
	query  url.Values
	limit  int // 0: all
	header []string
	cells  func(json.RawMessage) ([]string, error)
	none   string // what to say about an empty list
}

// alignRows is how many rows are aligned together: a long list is shown while
// it is read.
const alignRows = 500

// printList prints a list, with --json one entry a line.
func (s *session) printList(f stateFlags, l listing) error {
	client, err := s.open(f, readOnly)
	if err != nil {
		return err
	}
	defer client.Close()
	t, rows := newTable(s.stdout), 0
	for entry, err := range client.list(s.ctx, l.path, l.query, l.limit) {
		if err != nil {
			return err
		}
		if f.JSON {
			if _, err := fmt.Fprintf(s.stdout, "%s\n", entry); err != nil {
				return err
			}
			continue
		}
		cells, err := l.cells(entry)
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if rows++; rows == 1 {
			t.row(l.header...)
		}
		if t.row(cells...); rows%alignRows == 0 {
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	if rows == 0 && !f.JSON {
		fmt.Fprintln(s.stderr, l.none)
	}
	return t.flush()
}
