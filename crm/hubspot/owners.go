package hubspot

import (
	"context"
	"net/http"
	"net/url"

	"crmsync/crm"
)

const maxOwnerPages = 1000 // of 100; a guard against a cursor that never ends

// Owners implements crm.OwnerFinder. There is no batch read of owners by
// e-mail, so all pages are read. The id is the one for hubspot_owner_id, not
// the user id.
func (c *Client) Owners(ctx context.Context) ([]crm.Owner, error) {
	const op = "list owners"
	var owners []crm.Owner
	query := url.Values{"limit": {"100"}, "archived": {"false"}}
	for range maxOwnerPages {
		var page ownerPage
		r, err := c.do(ctx, call{op: op, method: http.MethodGet, path: c.paths.owners, query: query}, &page)
		if err != nil {
			return nil, err
		}
		if page.Results == nil {
			return nil, c.foreign(op, r) // no list is not an empty one
		}
		for _, o := range page.Results {
			if o.ID != "" && (o.Type == "PERSON" || o.Type == "") {
				owners = append(owners, crm.Owner{ID: string(o.ID), Email: o.Email, Active: !o.Archived})
			}
		}
		after := string(page.Paging.Next.After)
		if after == "" {
			return owners, nil
		}
		if after == query.Get("after") {
			return nil, &crm.Error{Kind: crm.Unavailable, Op: op, Status: r.status, Message: "the list does not end"}
		}
		query.Set("after", after)
	}
	return nil, &crm.Error{Kind: crm.Unavailable, Op: op, Message: "the list does not end"}
}
