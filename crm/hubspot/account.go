package hubspot

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"

	"crmsync/crm"
)

// Account implements crm.Client: the host of the base URL and, below it, the
// portal. Every portal has the same host, and every key may ask which one it is
// for; when HubSpot says otherwise the host stands alone.
// https://developers.hubspot.com/docs/api-reference/latest/account/account-information/guide
func (c *Client) Account(ctx context.Context) (string, error) {
	const op = "identify the account"
	if err := ctx.Err(); err != nil {
		return c.host, &crm.Error{Kind: crm.Unavailable, Op: op, Err: err}
	}
	var answer accountAnswer
	r, err := c.do(ctx, call{op: op, method: http.MethodGet, path: c.paths.account}, &answer)
	if err != nil && !untold(r.status) {
		return c.host, err
	}
	if portal := word(string(answer.PortalID)); portal != "" {
		return c.host + "/" + portal, nil
	}
	return c.host, nil
}

// consoleURL is where people sign in. It leads to the data centre of the portal.
const consoleURL = "https://app.hubspot.com"

// typeIDs are HubSpot's numbers of the objects.
// https://developers.hubspot.com/docs/guides/crm/understanding-the-crm#object-type-ids
var typeIDs = map[crm.Object]string{crm.Contact: "0-1", crm.Company: "0-2", crm.Activity: "0-48"}

// RecordURL implements crm.RecordPager.
func (*Client) RecordURL(account string, o crm.Object, remoteID string) string {
	_, portal, known := strings.Cut(account, "/")
	if !known || typeIDs[o] == "" || remoteID == "" {
		return ""
	}
	return consoleURL + "/contacts/" + url.PathEscape(portal) + "/record/" + typeIDs[o] + "/" + url.PathEscape(remoteID)
}

// untold reports whether a status means that this key cannot ask, now or later.
func untold(status int) bool {
	switch status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return true
	}
	return false
}

// hostOf is the host of base, with the port unless its scheme implies that.
func hostOf(base *url.URL) string {
	host, port := strings.ToLower(base.Hostname()), base.Port()
	if port == "" || port == map[string]string{"https": "443", "http": "80"}[base.Scheme] {
		return host
	}
	return net.JoinHostPort(host, port)
}
