package hubspot_test

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"crmsync/crm"
	"crmsync/crm/hubspot"
	"crmsync/crm/sandbox"
)

// notations are ways to write values of each property, several for some
// values.
var notations = map[string][]string{
	"email":          {"", "jonas@b.example", "JONAS@b.example", "lena@b.example", "ann@b.example", "nowhere"},
	"firstname":      {"", "Jonas", "jonas", "Lena"},
	"lastname":       {"Weber", "Weber "},
	"jobtitle":       {"", "5", "5.0", "true"},
	"lifecyclestage": {"", "lead", "customer", "evangelist"},
	"hs_lead_status": {"", "NEW", "OPEN"},
	"score":          {"", "5", "5.0", "+5", "7.25", "1,200"},
	"active":         {"", "true", "false"},
	"day":            {"", "2026-11-18", "1794960000000", "2026-11-18T00:00:00Z", "2026-11-19"},
	"seen":           {"", "2026-11-18T15:42:11Z", "1795016531000", "2026-11-18T16:42:11+01:00", "2026-11-18T15:42:11.001Z"},
	"tags":           {"", "a;b", "b;a", "c"},
}

func previewProperties() map[string][]sandbox.Property {
	return map[string][]sandbox.Property{"contacts": {
		{Name: "crmsync_id", HasUniqueValue: true},
		{Name: "score", Type: "number"}, {Name: "active", Type: "bool"}, {Name: "day", Type: "date"}, {Name: "seen", Type: "datetime"},
		{Name: "tags", Type: "enumeration", FieldType: "checkbox", Options: []sandbox.Option{{Value: "a"}, {Value: "b"}, {Value: "c"}}},
	}}
}

// TestPreview_ComesTrue previews random records against random contacts and
// upserts them: what each preview told is what HubSpot then holds.
func TestPreview_ComesTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		server := sandbox.New(sandbox.Options{Custom: previewProperties(), Seed: rapid.Uint64().Draw(t, "seed")})
		network := httptest.NewServer(server)
		defer network.Close()
		client, err := hubspot.New(hubspot.Options{Token: secret, BaseURL: network.URL}, crm.Common{RateLimit: crm.RateLimit{Off: true}})
		if err != nil {
			t.Fatal(err)
		}
		populate(t, server)
		records := drawRecords(t)
		for i, p := range previewOf(t, client, server, records...) {
			alone := previewOf(t, client, server, records[i])[0]
			if p.Err != nil && crm.AsError(p.Err).Kind == crm.Conflict && (alone.Action == crm.Adopted || alone.Err != nil) {
				continue // of several that want one contact the first gets it
			}
			compare(t, "alone and in a batch", alone, p)
		}
		for _, r := range records {
			comesTrue(t, client, server, r, previewOf(t, client, server, r)[0])
		}
	})
}

// populate adds contacts of ours and of nobody's. Some are gone, some hold the
// address of another that was merged into them.
func populate(t *rapid.T, server *sandbox.Server) {
	addresses := map[string]bool{"": true}
	var ids []string
	for i := range rapid.IntRange(0, 4).Draw(t, "contacts") {
		values := drawValues(t)
		if address := strings.ToLower(values["email"]); addresses[address] || address == "nowhere" {
			delete(values, "email")
		} else {
			addresses[address] = true
		}
		if rapid.Bool().Draw(t, "ours") {
			values["crmsync_id"] = fmt.Sprint("k", i)
		}
		if values["score"] == "1,200" {
			delete(values, "score")
		}
		ids = append(ids, server.AddRecord("contacts", values))
	}
	if len(ids) < 2 {
		return
	}
	switch rapid.SampledFrom([]string{"", "delete", "merge"}).Draw(t, "by hand") {
	case "delete":
		server.DeleteRecord("contacts", ids[0])
	case "merge":
		server.MergeRecord("contacts", ids[0], ids[1])
	}
}

func drawValues(t *rapid.T) map[string]string {
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(notations)) {
		if rapid.IntRange(0, 3).Draw(t, name+" is set") > 0 {
			values[name] = rapid.SampledFrom(notations[name]).Draw(t, name)
		}
	}
	return values
}

func drawRecords(t *rapid.T) []crm.Record {
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"k0", "k1", "k2", "k3", "k9"}), 1, 3, rapid.ID).Draw(t, "keys")
	var records []crm.Record
	for _, k := range keys {
		r := crm.Record{Object: crm.Contact, Key: k, Fields: crm.Fields{}, Adopted: rapid.Bool().Draw(t, "adopted")}
		for name, value := range drawValues(t) {
			r.Fields[name] = value
		}
		r.Fields["lastname"] = "Weber" // without any name a contact cannot be created
		if rapid.Bool().Draw(t, "seen before") {
			r.RemoteID = "77"
		}
		records = append(records, r)
	}
	return records
}

// previewOf fails when the preview changes something.
func previewOf(t *rapid.T, client *hubspot.Client, server *sandbox.Server, records ...crm.Record) []crm.Preview {
	writes := server.Writes()
	previews, err := client.Preview(t.Context(), crm.Contact, records)
	if err != nil || len(previews) != len(records) {
		t.Fatalf("%d previews of %d records: %v", len(previews), len(records), err)
	}
	if server.Writes() != writes {
		t.Fatal("a preview wrote")
	}
	return previews
}

func comesTrue(t *rapid.T, client *hubspot.Client, server *sandbox.Server, r crm.Record, told crm.Preview) {
	before := held(server)
	results, err := client.Upsert(t.Context(), crm.Contact, []crm.Record{r})
	if err != nil {
		t.Fatal(err)
	}
	if e := crm.AsError(results[0].Err); told.Action == crm.Adopted && e.Code == crm.CodeAdoptable {
		compare(t, "records before the adoption is permitted", held(server), before)
		r.Adopted = true
		if results, err = client.Upsert(t.Context(), crm.Contact, []crm.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	got := results[0]
	if told.Err != nil || got.Err != nil {
		want, e := crm.AsError(told.Err), crm.AsError(got.Err)
		if told.Err == nil || got.Err == nil || want.Kind != e.Kind || want.Field != e.Field || !cmp.Equal(want.Holder, e.Holder) {
			t.Fatalf("told %v, holder %v; got %v, holder %v", told.Err, want.Holder, got.Err, e.Holder)
		}
		compare(t, "records after a refusal", held(server), before)
		return
	}
	if told.Action != got.Action && (told.Action != crm.Unchanged || got.Action != crm.Updated) || told.RemoteID != "" && told.RemoteID != got.RemoteID {
		t.Fatalf("told %s of %q, got %s of %q", told.Action, told.RemoteID, got.Action, got.RemoteID)
	}
	want := map[string]string{}
	maps.Copy(want, before[told.RemoteID])
	for _, c := range told.Changes {
		if want[c.Field] != c.Old || alike(c.Field, c.Old) == alike(c.Field, c.New) {
			t.Fatalf("told %+v of a record with %v", c, before[told.RemoteID])
		}
		want[c.Field] = c.New
	}
	compare(t, "what was told and what is held", meaning(want), meaning(held(server)[got.RemoteID]))
	r.Adopted = r.Adopted || got.Action == crm.Adopted
	if again := previewOf(t, client, server, r)[0]; again.Action != crm.Unchanged {
		t.Fatalf("after it was written: %+v", again)
	}
}

// held are the contacts that are not archived, by id.
func held(server *sandbox.Server) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, r := range server.Records("contacts") {
		if !r.Archived {
			all[r.ID] = r.Properties
		}
	}
	return all
}

// meaning is what values mean, without empty ones.
func meaning(values map[string]string) map[string]string {
	all := map[string]string{}
	for name, value := range values {
		if value != "" {
			all[name] = alike(name, value)
		}
	}
	return all
}

// alike is one notation for all values that mean the same once HubSpot holds
// them.
func alike(name, value string) string {
	switch name {
	case "score":
		if x, err := strconv.ParseFloat(value, 64); err == nil {
			return fmt.Sprint(x)
		}
	case "tags":
		chosen := strings.Split(value, ";")
		slices.Sort(chosen)
		return strings.Join(chosen, ";")
	}
	return value
}

func compare(t *rapid.T, what string, a, b any) {
	if diff := cmp.Diff(a, b, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s differ:\n%s", what, diff)
	}
}
