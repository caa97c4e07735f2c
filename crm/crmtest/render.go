package crmtest

import (
	"strings"
	"testing"

	"crmsync/crm"
)

// render holds what a client says of values and records, without asking the CRM,
// against what it does.
func (s *suite) render(t *testing.T) {
	a := s.Open(t, false)
	if r, ok := a.Client().(crm.Renderer); ok {
		for _, o := range crm.Objects() {
			t.Run("values of "+string(o), func(t *testing.T) { s.rendersWhatIsSent(t, a, r, o) })
		}
		if _, _, err := r.Render(crm.Contact, s.Text[crm.Contact], struct{}{}); crm.AsError(err).Kind != crm.Invalid {
			t.Errorf("a value that cannot be sent: %v", err)
		}
	}
	if p, ok := a.Client().(crm.RecordPager); ok {
		t.Run("pages", func(t *testing.T) { s.pages(t, a, p) })
	}
}

func (s *suite) rendersWhatIsSent(t *testing.T, a Account, r crm.Renderer, o crm.Object) {
	records := s.records(o, 1)
	s.write(t, a, o, records)
	for _, held := range a.Records(o) {
		for name, value := range records[0].Fields {
			if sent, cut, err := r.Render(o, name, value); sent != held.Fields[name] || cut != 0 || err != nil {
				t.Errorf("%s: got %q, cut of %d, %v; the CRM holds %q", name, sent, cut, err, held.Fields[name])
			}
		}
	}
}

func (s *suite) pages(t *testing.T, a Account, p crm.RecordPager) {
	account, err := a.Client().Account(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, o := range crm.Objects() {
		url := p.RecordURL(account, o, "4711")
		if !strings.HasPrefix(url, "https://") || !strings.Contains(url, "4711") || seen[url] {
			t.Errorf("the page of a %s: got %q", o, url)
		}
		seen[url] = true
		if p.RecordURL("", o, "4711") != "" || p.RecordURL(account, o, "") != "" {
			t.Errorf("the page of a %s is told without knowing the account and the record", o)
		}
	}
}
