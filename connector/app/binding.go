package app

import (
	"cmp"
	"context"
	"fmt"

	"crmsync/crm"
	"crmsync/state"
)

// bindingRemedy is the way out of a bindingProblem.
const bindingRemedy = "name another state file for this account, or configure the account that the file belongs to; " +
	"to move the file to this account for good, stop the connector and run crmsync state rebind --yes"

// accountOffline names the account of client without a request; "" when the
// client would have to ask its CRM.
func accountOffline(client crm.Client) string {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	account, err := client.Account(ended)
	if err != nil {
		return ""
	}
	return account
}

// bindingProblem says to what else than the configured account a state is
// bound; "" when it is not. An account of "" is not known and not compared.
func bindingProblem(bound *state.Binding, p crm.Properties, account string) string {
	if bound == nil {
		return ""
	}
	account = cmp.Or(account, bound.Account)
	if bound.Kind == p.Name && bound.Account == account && bound.IDField == p.IDField {
		return ""
	}
	return fmt.Sprintf("belongs to %s, configured is %s",
		accountText(bound.Kind, bound.Account, bound.IDField), accountText(p.Name, account, p.IDField))
}

func accountText(kind, account, idField string) string {
	return fmt.Sprintf("the %s account %s with the id field %s", kind, account, orDash(idField))
}
