// Package crm is the contract between the connector and a CRM.
//
// A [Record] says what should be true in the CRM: the fields and links of one
// activity, contact or company, named by our key (the id of the call, user or
// organisation). A [Client] makes records true. It owns no memory: what the
// CRM answered comes back as a [Result] and is remembered by the caller.
//
// An adapter is a directory below this one with a Client, its Options and the
// preset.env that maps events to its fields. Abilities that only some CRMs
// have are small interfaces ([Linker], [Previewer], [Archiver], [OwnerFinder],
// [Describer], [PermissionChecker], [Provisioner]) that a Client also implements.
// Every adapter passes the suite in crmtest.
//
// Errors that leave an adapter are always *[Error]. The zero [Kind] means
// "try again later", so an answer that nobody thought of never costs data.
//
// Example: one contact, written so that repeating it creates nothing new.
//
//	results, err := client.Upsert(ctx, crm.Contact, []crm.Record{{
//		Object: crm.Contact,
//		Key:    "84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d71",
//		Fields: crm.Fields{"firstname": "Jonas", "lastname": "Weber"},
//	}})
package crm
