package mapping

import (
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"crmsync/crm"
)

// run is the mapping of one event.
type run struct {
	m     *Mapper
	ev    *Event
	env   env
	lane  Lane   // of the record at work
	field string // at work
	out   Mapped
}

func newRun(m *Mapper, ev *Event, owners Owners) *run {
	r := &run{m: m, ev: ev}
	r.env = env{
		Event:   eventInfo{ev.ID, ev.Type, ev.Timestamp, ev.MessageID},
		Call:    ev.Call,
		User:    ev.User,
		Org:     ev.Org,
		Deleted: ev.Verb == Deleted,
		Raw:     ev.Raw,
		Owner:   r.owner(owners),
	}
	return r
}

// owner makes the function owner. A miss is noted, so that the table can be
// loaded again before it is believed.
func (r *run) owner(owners Owners) func(any) (any, error) {
	return func(v any) (any, error) {
		email, _, err := textArgument(v)
		if err != nil {
			return nil, err
		}
		if owners == nil {
			return nil, nil
		}
		if id := r.look(owners, strings.ToLower(strings.TrimSpace(email))); id != "" {
			return id, nil
		}
		return nil, nil
	}
}

// look returns the owner with an address, else that of everybody else, else "".
func (r *run) look(owners Owners, email string) string {
	l := Lookup{Lane: r.lane, Field: r.field, Email: email, ID: owners[email]}
	if email == "" || l.ID == "" {
		l.ID = owners[""]
		l.Default = l.ID != ""
		if email != "" && !slices.Contains(r.out.OwnerMisses, email) {
			r.out.OwnerMisses = append(r.out.OwnerMisses, email)
		}
	}
	r.out.Lookups = append(r.out.Lookups, l)
	return l.ID
}

// passes reports whether the filter of a kind lets the event pass. A filter
// that fails or gives no bool does: nothing is lost by its mistake.
func (r *run) passes(k Kind) bool {
	p := r.m.filters[k]
	if p == nil {
		return true
	}
	v, err := expr.Run(p.vm, &r.env)
	if err == nil {
		if pass, ok := dereference(v).(bool); ok {
			r.out.Verdicts = append(r.out.Verdicts, Verdict{Kind: k, Expression: p.Expression, Passes: pass})
			return pass
		}
		err = argumentError("the filter gives neither true nor false: the event passes")
	}
	r.out.Verdicts = append(r.out.Verdicts, Verdict{Kind: k, Expression: p.Expression, Passes: true, Error: runtimeMessage(err)})
	r.withhold("", "", p, err)
	return true
}

// call adds the activity of a call and the snapshot of its user.
func (r *run) call() {
	call, user := r.ev.Call, r.ev.User
	userPasses := r.m.Off(crm.Contact) || r.passes(KindUser)
	var targets []Target
	if key := contactKey(call, user); key != "" && !r.m.Off(crm.Contact) {
		targets = append(targets, Target{Lane{crm.Contact, key}, !userPasses})
	}
	org := call.OrgID
	if !isKey(org) && user != nil {
		org = user.OrgID
	}
	activity := r.record(Lane{crm.Activity, r.ev.Key}, append(targets, r.company(org)...))
	activity.Verb = Completed
	r.add(activity)
	r.checkDuration()
	if r.m.Off(crm.Contact) || !userPasses || user == nil || !isKey(user.ID) {
		return
	}
	contact := r.record(Lane{crm.Contact, *user.ID}, r.company(user.OrgID))
	contact.Verb, contact.Snapshot = Completed, true
	r.add(contact)
}

func (r *run) add(record Record) { r.out.Records = append(r.out.Records, record) }

// contactKey is the key of a call's user: the id that user events carry or,
// when the user is not shown, the id that the call names.
func contactKey(c *Call, u *User) string {
	switch {
	case u != nil && isKey(u.ID):
		return *u.ID
	case isKey(c.UserID):
		return *c.UserID
	default:
		return ""
	}
}

func isKey(p *string) bool { return p != nil && validKey(*p) }

// company returns the link to an organisation, none without a usable id or
// when companies are switched off.
func (r *run) company(id *string) []Target {
	if !isKey(id) || r.m.Off(crm.Company) {
		return nil
	}
	return []Target{{Lane: Lane{crm.Company, *id}}}
}

// record evaluates the expressions of a lane's object.
func (r *run) record(l Lane, targets []Target) Record {
	fields := crm.Fields{}
	for _, f := range r.m.objects[l.Object].fields {
		r.lane, r.field = l, f.name
		v, err := r.evaluate(f.vm)
		switch {
		case err != nil:
			r.withhold(l.Object, f.name, f.program, err)
		case v != nil:
			fields[f.name] = v
		}
	}
	return Record{Lane: l, Fields: fields, Targets: targets}
}

// evaluate returns the value for a field, nil for none.
func (r *run) evaluate(p *vm.Program) (any, error) {
	v, err := expr.Run(p, &r.env)
	if err != nil {
		return nil, err
	}
	return fieldValue(v)
}

func (r *run) withhold(o crm.Object, field string, p *program, err error) {
	r.out.Withheld = append(r.out.Withheld, Withheld{o, field, p.Variable, runtimeMessage(err)})
}

// durationUnits are the units that a duration can be configured to have.
var durationUnits = map[string]time.Duration{
	"milliseconds": time.Millisecond, "seconds": time.Second, "minutes": time.Minute,
}

// checkDuration compares the duration of a call with the span of its
// transcript, which betrays a wrong unit: it is not published.
func (r *run) checkDuration() {
	c := r.ev.Call
	span := transcriptSpan(c)
	if c.Stats == nil || c.Stats.Duration == nil || span < 10*time.Second {
		return
	}
	fits := func(unit time.Duration) bool {
		ratio := *c.Stats.Duration * float64(unit) / float64(span)
		return ratio > 0.7 && ratio < 3
	}
	if fits(r.m.unit) {
		return
	}
	// The band is narrower than the steps between units: at most one fits.
	for name, unit := range durationUnits {
		if fits(unit) {
			r.out.Warnings = append(r.out.Warnings, "payload.call.stats.duration fits the transcript only if its unit is "+name+": see CRMSYNC_DURATION_UNIT")
		}
	}
}

// transcriptSpan is the time from the first turn of a call to the last.
func transcriptSpan(c *Call) time.Duration {
	var first, last time.Time
	for _, t := range c.Transcript {
		if t.CreatedAt == nil {
			continue
		}
		if first.IsZero() {
			first = *t.CreatedAt
		}
		last = *t.CreatedAt
	}
	return last.Sub(first)
}
