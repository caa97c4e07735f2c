package connector

import (
	"strings"
	"testing"

	"crmsync/crm"
	"crmsync/mapping"
)

// A condition that fails lets the event pass, which is not what was meant.
func TestCheck_FindsConditionsThatFail(t *testing.T) {
	for source, want := range map[string]string{
		`durationSeconds(call) >= 120`:                    "??",
		`(durationSeconds(call) ?? 0) >= 120`:             "",
		`raw.call.score > 3`:                              "", // the samples do not know
		`int(averageScore(call) ?? 0) % 2 == 0`:           "",
		`(averageScore(call) ?? 0) % 2 == 0`:              "int(",
		`user.role != "Admin" && call.title == "Closing"`: "",
	} {
		m, err := mapping.New(mapping.Config{
			Fields:  Expressions{crm.Activity: {"title": {Source: "call.title"}}},
			Filters: map[mapping.Kind]mapping.Expression{mapping.KindCall: {Source: source, Variable: "CRMSYNC_FILTER_CALL"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		found := Check{Mapper: m}.Object(crm.Activity, nil)
		if want == "" {
			if len(found) > 0 {
				t.Errorf("%s: %+v", source, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Variable != "CRMSYNC_FILTER_CALL" || !strings.Contains(found[0].Remedy, want) {
			t.Errorf("%s: %+v", source, found)
		}
	}
}
