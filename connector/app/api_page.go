package app

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// nextPage returns the query that continues a list behind its last entry.
func nextPage(q url.Values, position, last string) url.Values {
	next := url.Values{}
	for name, values := range q {
		next[name] = values
	}
	next.Del("before")
	next.Set(position, last)
	return next
}

// before returns the sequence number below which a page of events starts. The
// link to the next page gives the number itself, because the event that has it
// may be pruned until then.
func (a *api) before(ctx context.Context, q url.Values) (uint64, error) {
	id, number := q.Get("before"), q.Get("before_seq")
	switch {
	case id != "" && number != "":
		return 0, badRequest("give either before or before_seq")
	case id != "":
		e, err := a.ledger.Event(ctx, id)
		if err != nil {
			return 0, fmt.Errorf("event %q named by before: %w", id, err)
		}
		return e.Seq, nil
	case number != "":
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil || seq == 0 {
			return 0, badRequest("before_seq is %q: expected a number from the link of the page before", number)
		}
		return seq, nil
	}
	return 0, nil
}

// onlyKnown refuses parameters that would silently be ignored.
func onlyKnown(q url.Values, names ...string) error {
	for name := range q {
		if !slices.Contains(names, name) {
			return badRequest("unknown parameter %q: expected one of %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

func parseLimit(text string) (int, error) {
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, badRequest("limit is %q: expected a number from 1 to %d", text, maxPage)
	}
	return min(n, maxPage), nil
}
