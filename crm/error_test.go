package crm_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"crmsync/crm"
)

func TestError_IsOneLine(t *testing.T) {
	for want, e := range map[string]crm.Error{
		"unavailable": {},
		"upsert contacts: unauthorized (HTTP 401): wrong token [request r-1]": {
			Kind: crm.Unauthorized, Op: "upsert contacts", Status: 401, Message: "wrong token", RequestID: "r-1",
		},
		"read: unavailable (HTTP 302)": {Op: "read", Status: 302},
		// A record of a batch can be refused by a request that succeeded.
		"upsert contacts: invalid: INVALID_EMAIL: email: not valid": {
			Kind: crm.Invalid, Op: "upsert contacts", Status: 207, Code: "INVALID_EMAIL", Field: "email", Message: "not valid",
		},
		"ping: unavailable: context canceled": {Op: "ping", Err: context.Canceled},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAsError_NeverCostsARecord(t *testing.T) {
	known := &crm.Error{Kind: crm.Invalid}
	if got := crm.AsError(fmt.Errorf("write: %w", known)); got != known {
		t.Errorf("got %v", got)
	}
	unknown := errors.New("broken")
	if got := crm.AsError(unknown); got.Kind != crm.Unavailable || !errors.Is(got, unknown) {
		t.Errorf("got %v", got)
	}
}
