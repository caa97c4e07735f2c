// Package sandbox is a CRM in memory that speaks HubSpot's API, as strict as
// the real one, with fault switches. The demo, the conformance suite and the
// fault tests stand on it.
//
// A [Server] is an http.Handler. It serves objects (contacts, companies,
// calls), properties, owners, associations, the account's details and the scopes
// of a token, under the dated paths and under the v3 and v4 ones, and refuses
// what HubSpot refuses: an unknown property, a value that is not a string, the
// same id twice in a batch, an address that belongs to another contact, a token
// without the scope.
// With [Options].App it issues access tokens that end after a while. What
// HubSpot leaves open it answers in the least convenient way: results come
// shuffled, and an item error names its input only by the trace id.
//
// [Server.Fault] makes it fail: slow answers, statuses, connections cut before
// or after the write took effect, requests that hang, answers that say success
// and do nothing. [Server.Records], [Server.Associations] and [Server.Writes]
// tell what took effect; [Server.AddRecord] and [Server.DeleteRecord] do what a
// person does in the CRM meanwhile.
//
// It is not a simulation of HubSpot's data model beyond what a connector can
// observe: no search, no workflows, no time zones of portals.
//
// Example:
//
//	crm := sandbox.New(sandbox.Options{Token: "secret"})
//	url, err := crm.Start()
//	if err != nil {
//		return err
//	}
//	defer crm.Close()
//	crm.Fault(sandbox.Fault{Op: "contacts/batch/upsert", Times: 1, Cut: sandbox.CutAfter})
//	// ... point a client at url, let it write, then look:
//	for _, r := range crm.Records("contacts") {
//		fmt.Println(r.ID, r.Properties["email"])
//	}
package sandbox
