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

// accountOffline names the account of client as far as is known without a
// request, maybe "".
func accountOffline(client crm.Client) string {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	account, _ := client.Account(ended) // beside an error stands what is known
	return account
}

// bindingProblem says to what else than the configured account a state is
// bound; "" when it is not, as far as account tells.
func bindingProblem(bound *state.Binding, p crm.Properties, account string) string {
	if bound == nil || bound.Fits(state.Binding{
		Kind: p.Name, Account: account, IDField: p.IDField, Namespace: bound.Namespace,
	}) {
		return ""
	}
	return fmt.Sprintf("belongs to %s, configured is %s", accountText(bound.Kind, bound.Account, bound.IDField),
		accountText(p.Name, cmp.Or(account, bound.Account), p.IDField))
}

func accountText(kind, account, idField string) string {
	return fmt.Sprintf("the %s account %s with the id field %s", kind, account, orDash(idField))
}
