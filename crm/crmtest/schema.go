package crmtest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"crmsync/crm"
)

func (s *suite) schema(t *testing.T) {
	a := s.Open(t, false)
	if finder, ok := a.Client().(crm.OwnerFinder); ok {
		t.Run("owners", func(t *testing.T) { s.owners(t, a, finder) })
	}
	if describer, ok := a.Client().(crm.Describer); ok {
		for _, o := range crm.Objects() {
			t.Run("describe "+string(o), func(t *testing.T) { s.describe(t, a, describer, o) })
		}
	}
	if checker, ok := a.Client().(crm.PermissionChecker); ok {
		t.Run("check permissions", func(t *testing.T) { s.checkPermissions(t, a, checker) })
	}
	if _, ok := a.Client().(crm.Provisioner); ok {
		t.Run("provision", s.provision)
		t.Run("provision dry run", s.provisionDryRun)
	}
}

func (s *suite) owners(t *testing.T, a Account, finder crm.OwnerFinder) {
	got, err := finder.Owners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	active := func(all []crm.Owner) []string {
		var lines []string
		for _, o := range all {
			if o.Active {
				lines = append(lines, o.ID+" "+strings.ToLower(o.Email))
			}
		}
		slices.Sort(lines)
		return lines
	}
	if got, want := active(got), active(a.Owners()); !slices.Equal(got, want) {
		t.Errorf("got %d owners, want %d: %v", len(got), len(want), got)
	}
}

func (s *suite) describe(t *testing.T, a Account, describer crm.Describer, o crm.Object) {
	got, err := describer.Describe(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Object != o || got.Name == "" {
		t.Errorf("got the schema of %q called %q", got.Object, got.Name)
	}
	id := a.Client().Properties().IDField
	if f, ok := got.Fields[id]; !ok || f.ReadOnly || !f.Unique || f.Kind != crm.FieldText {
		t.Errorf("the id field is %+v, want it unique, writable and of any text", f)
	}
	for _, name := range got.AnyOf {
		if _, ok := got.Fields[name]; !ok {
			t.Errorf("a new record may need %s, which is no field", name)
		}
	}
	for name := range s.Sample(o, 0) {
		if f, ok := got.Fields[name]; !ok || f.ReadOnly || f.Name != name || f.Kind == crm.FieldUnknown {
			t.Errorf("%s is %+v (known: %v), want it writable and of a kind", name, f, ok)
		}
	}
}

func (s *suite) checkPermissions(t *testing.T, a Account, checker crm.PermissionChecker) {
	writes := a.Writes()
	for _, o := range crm.Objects() {
		if err := checker.CheckRead(t.Context(), o); err != nil {
			t.Errorf("read %s: %v", o, err)
		}
		if err := checker.AskWrite(t.Context(), o); err != nil {
			t.Errorf("AskWrite of %s: %v", o, err)
		}
		if err := checker.CheckWrite(t.Context(), o); err != nil {
			t.Errorf("write %s: %v", o, err)
		}
	}
	if n := a.Writes() - writes; n != 0 {
		t.Errorf("wrote %d times", n)
	}
}

// mapped returns the fields of the samples.
func (s *suite) mapped() map[crm.Object][]string {
	fields := map[crm.Object][]string{}
	for _, o := range crm.Objects() {
		fields[o] = slices.Sorted(maps.Keys(s.Sample(o, 0)))
	}
	return fields
}

func (s *suite) provision(t *testing.T) {
	a := s.Open(t, true)
	provisioner, _ := a.Client().(crm.Provisioner)
	steps, err := provisioner.Provision(t.Context(), crm.Provision{Fields: s.mapped()})
	if err != nil {
		t.Fatal(err)
	}
	if actions := count(steps); actions[crm.StepCreated] == 0 || actions[crm.StepCreate] > 0 || actions[crm.StepManual] > 0 {
		t.Errorf("the first run did %v", actions)
	}
	writes := a.Writes()
	steps, err = provisioner.Provision(t.Context(), crm.Provision{Fields: s.mapped()})
	if err != nil {
		t.Fatal(err)
	}
	if actions := count(steps); actions[crm.StepExists] != len(steps) || a.Writes() != writes {
		t.Errorf("the second run did %v and wrote %d times", actions, a.Writes()-writes)
	}
	for _, o := range crm.Objects() {
		s.write(t, a, o, s.records(o, 1))
	}
}

func (s *suite) provisionDryRun(t *testing.T) {
	a := s.Open(t, true)
	provisioner, _ := a.Client().(crm.Provisioner)
	steps, err := provisioner.Provision(t.Context(), crm.Provision{Fields: s.mapped(), DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if actions := count(steps); actions[crm.StepCreate] == 0 || actions[crm.StepCreated] > 0 || a.Writes() != 0 {
		t.Errorf("a dry run did %v and wrote %d times", actions, a.Writes())
	}
}

func count(steps []crm.Step) map[string]int {
	actions := map[string]int{}
	for _, step := range steps {
		actions[step.Action]++
	}
	return actions
}
