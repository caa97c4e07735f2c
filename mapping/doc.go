// Package mapping turns events of the training platform into records for a
// CRM, by expressions that a user configured. It does no I/O and has no clock:
// the same event and the same owner table always give the same records.
//
// The way through has three steps:
//
//   - [Peek] reads identity, order and lanes of a body at the door. It never
//     fails and builds no transcript in memory.
//   - [Decode] checks a stored body and gives an [Event], or an [EndedError]
//     that says how the event ends without writing anything.
//   - [Mapper.Map] gives the records of an Event: fields, links, and what was
//     withheld because an expression failed. [Mapper.Cut] tells a person what
//     was left out of them for its length.
//
// Before the first event, [Mapper.Trials] tells what each expression gives for
// samples: events in which everything is there, nothing is, or all is deleted.
//
// # Expressions
//
// The language is expr-lang/expr (https://expr-lang.org), checked against the
// types of the payload when a [Mapper] is made. Variables are event, call,
// user, org, deleted and raw; the members are those of the payload. raw is the
// body as received, in which the members of payload can also be reached
// directly.
//
// What is absent, null or of the wrong type is nil. A member of nil, an index
// beyond the end, and a function of nil are nil too, so that
//
//	find(call.analysis, .analysisType == "MEDDIC").score
//
// needs no guard. Operators do need one: user.streak + 1 fails when there is no
// streak, unless it is written (user.streak ?? 0) + 1. A field whose
// expression yields nil is left alone in the CRM, one that yields "" is
// cleared, and one whose expression fails is left alone and reported in
// [Mapped.Withheld].
//
// Built-ins that read the clock are off, keys, values and toPairs are sorted,
// and string shows whole values as JSON. Functions beside the built-ins:
//
//	firstName(name), lastName(name, email?)   split at the last space
//	owner(email)                              the CRM's owner id
//	scorecard(call), transcript(call)         plain text
//	scorecardHTML(call, limit?), transcriptHTML(call, limit?)
//	averageScore(call), durationMillis(call), durationSeconds(call)
//	unixMillis(t), isoDate(t), isoTime(t)     of a time or a text that holds one
//	truncate(s, n)                            the first n characters
//
// A transcript marks who speaks as far as the names tell: [Rep] or
// [AI prospect]. The limit of the HTML functions is in characters, tags
// included; what does not fit is counted in a last paragraph. Lists are given
// to a CRM as lists: join them to get a text.
//
// # Example
//
//	m, err := mapping.New(mapping.Config{
//		Fields: map[crm.Object]map[string]mapping.Expression{
//			crm.Contact: {"email": {Source: "user.email", Variable: "CRMSYNC_MAP_CONTACT_email"}},
//		},
//	})
//	…
//	event, err := mapping.Decode(delivery)
//	…
//	for _, record := range m.Map(event, nil).Records { … }
package mapping
