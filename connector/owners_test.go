package connector

import (
	"testing"

	"crmsync/crm"
)

// Credentials that are refused hold the account, wherever that is noticed: a
// token that cannot be renewed is refused with a 400. A missing scope holds
// what uses owners only.
func TestOwners_RefusalHoldsTheAccountOrWhatUsesThem(t *testing.T) {
	for _, c := range []struct {
		err     crm.Error
		account bool
	}{
		{crm.Error{Kind: crm.Unauthorized, Status: 401}, true},
		{crm.Error{Kind: crm.Unauthorized, Status: 400, Code: "BAD_REFRESH_TOKEN"}, true},
		{crm.Error{Kind: crm.RateLimited, Status: 429}, true},
		{crm.Error{Kind: crm.Unauthorized, Status: 403}, false},
	} {
		w := newWorld(t, nil)
		w.crm.before = func(op string, _ []string) error {
			if op == "owners" {
				return &c.err
			}
			return nil
		}
		w.accept(callEvent("e1", "c1", "u1", 1, "Call"))
		if _, err := w.d.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := w.d.CRMState()
		if (w.d.gate.wait() > 0) != c.account || (len(s.PausedObjects) == 0) != c.account {
			t.Errorf("%v: state %+v, account held for %s", &c.err, s, w.d.gate.wait())
		}
	}
}
