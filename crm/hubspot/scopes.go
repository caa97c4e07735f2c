package hubspot

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"crmsync/crm"
)

// scopes are those of the credentials, once HubSpot told them.
type scopes struct {
	ask     sync.Once
	mu      sync.Mutex
	granted []string // empty when unknown
}

func (s *scopes) learn(granted []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted = granted
}

// lack reports whether a scope is known not to be among those that were granted:
// some list of the same kind has to be there. Apps from before the scopes were
// parted have "contacts", which covers companies as well.
// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/scopes
func (s *scopes) lack(scope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	parted := slices.ContainsFunc(s.granted, func(g string) bool { return strings.HasPrefix(g, "crm.objects.") })
	return parted && !slices.Contains(s.granted, scope) && !slices.Contains(s.granted, "contacts")
}

const (
	// tokenInfoPath tells what a token may do. It has no version; the token in the
	// body goes where it goes in every header.
	// https://developers.hubspot.com/docs/apps/legacy-apps/private-apps/overview
	tokenInfoPath = "/oauth/v2/private-apps/get/access-token-info"
	tokenInfoWait = 5 * time.Second // for an answer that can be done without
)

// learnScopes asks for the scopes of a token that came without them. Where HubSpot
// does not tell, they stay unknown.
func (c *Client) learnScopes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tokenInfoWait)
	defer cancel()
	var answer struct {
		Scopes []string `json:"scopes"`
	}
	_, err := c.do(ctx, call{
		op: "ask for the scopes of the token", method: http.MethodPost, path: tokenInfoPath,
		body: struct {
			TokenKey string `json:"tokenKey"`
		}{c.token},
	}, &answer)
	if err == nil {
		c.scopes.learn(answer.Scopes)
	}
}

// CheckRead implements crm.PermissionChecker: it reads one record.
func (c *Client) CheckRead(ctx context.Context, o crm.Object) error {
	op := "check permission to read " + typeName(o)
	if err := c.checkBatch(op, o, 0); err != nil {
		return err
	}
	_, err := c.do(ctx, call{op: op, method: http.MethodGet, path: c.paths.object(o), query: url.Values{"limit": {"1"}}}, nil)
	return onlyPermission(err)
}

// AskWrite implements crm.PermissionChecker: HubSpot tells the scopes of the
// credentials to whoever has them.
func (c *Client) AskWrite(ctx context.Context, o crm.Object) error {
	op := "ask for permission to write " + typeName(o)
	if err := c.checkBatch(op, o, 0); err != nil {
		return err
	}
	if c.token != "" {
		c.scopes.ask.Do(func() { c.learnScopes(ctx) })
	}
	write := c.paths.scope(call{path: c.paths.object(o), writes: o})
	if !c.scopes.lack(write) {
		return nil
	}
	return &crm.Error{
		Kind: crm.Unauthorized, Op: op, Status: http.StatusForbidden, Code: codeMissingScopes, Option: c.credential,
		Message: "missing scope: " + write,
	}
}

// CheckWrite implements crm.PermissionChecker with a batch of no records. HubSpot
// looks at the scopes of the token first; the batch itself it may refuse.
func (c *Client) CheckWrite(ctx context.Context, o crm.Object) error {
	op := "check permission to write " + typeName(o)
	if err := c.checkBatch(op, o, 0); err != nil {
		return err
	}
	_, err := c.do(ctx, call{
		op: op, method: http.MethodPost, path: c.paths.batch(o, "upsert"),
		body: struct {
			Inputs []struct{} `json:"inputs"`
		}{[]struct{}{}},
	}, nil)
	return onlyPermission(err)
}

// onlyPermission drops errors that say nothing about permissions.
func onlyPermission(err error) error {
	if err != nil && crm.AsError(err).Kind == crm.Unauthorized {
		return err
	}
	return nil
}
