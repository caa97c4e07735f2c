// Package crmtest is the conformance suite that every adapter passes.
//
// [Run] has two parts. The first drives the adapter against a fake of its CRM,
// which the adapter's test wraps as an [Account]: repeating creates nothing
// new, results come in the order of the records, one bad record does not hold
// back the others, lost answers and cancelled calls leave one record and no
// false success, and what a preview told comes true. The second drives it
// against servers that are no CRM at all: every status, bodies that are empty,
// cut short or HTML, silence and closed ports. Each error has to be a
// [crm.Error] of the right kind that names no secret and no e-mail address.
//
// Abilities that a client does not have ([crm.Linker] and the like) are not
// asked for: the adapter's own compile-time assertions say which it has.
//
// Example, in the test of an adapter:
//
//	func TestConformance(t *testing.T) {
//		crmtest.Run(t, crmtest.Options{
//			Open:   openSandbox,
//			Dial:   dial,
//			Secret: "pat-secret",
//			Sample: sample,
//			Text:   map[crm.Object]string{crm.Contact: "jobtitle", crm.Company: "city", crm.Activity: "hs_call_title"},
//		})
//	}
package crmtest
