// Package hubspot writes calls, contacts and companies into HubSpot through its
// CRM API, dated versions (https://api.hubapi.com/crm/objects/2026-09/…) or v3.
//
// Every record is keyed on a custom property with unique values, crmsync_id
// unless configured otherwise, never on an e-mail address or a domain. Writes
// are batch upserts on that property, so any request may be repeated after a
// lost answer. Links between records are default associations, made in
// requests of their own.
//
// It signs in with a token, or with the refresh token that an OAuth app got when
// it was installed. That is exchanged for access tokens of half an hour, each
// renewed before its end by one request, and once more after a 401. Should
// HubSpot replace the refresh token, the new one is used until the process
// ends; the next one starts with the configured token again.
//
// What HubSpot's answers are trusted with:
//
//   - A 2xx counts only for the records that its body names. The others of a
//     batch are sent once more, alone; one that is passed over alone is
//     Unavailable, with the code silent_noop: to be repeated later.
//   - Results are matched by trace id or key, never by order.
//   - An e-mail address that another contact holds is resolved here: a contact
//     of nobody's is adopted, its names kept, once the caller permits it; for
//     any other the *crm.Error of kind Conflict names the holder. A holder with
//     an empty key is a contact of nobody's: one that can be adopted (code
//     adoptable), or cannot, since our key stands elsewhere.
//   - Should calls refuse upserts as such, the client remembers that and reads
//     them by our key to know which to update and which to create.
//   - After a 423 the object concerned gets one batch in two seconds, for ten
//     minutes.
//   - A preview decides who is adopted and who conflicts as an upsert does, from
//     what HubSpot holds. It compares values by the type of their property and
//     text to the letter: HTML that HubSpot tidies up shows as a change.
//   - A whole batch that is refused because of some record in it comes back as
//     Invalid: the caller halves it.
//
// All values are sent as strings; those of more than 65,536 characters are cut
// between two characters and say so at their end.
//
// Example: a client for an account, with the settings that all adapters share.
//
//	client, err := hubspot.New(hubspot.Options{Token: token}, crm.Common{BatchSize: 50})
//	…
//	results, err := client.Upsert(ctx, crm.Contact, records)
package hubspot
