package hubspot

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// standard are the properties of HubSpot's own that the preset may write.
var standard = map[string][]string{
	"ACTIVITY": {"hs_timestamp", "hs_call_title", "hs_call_body", "hs_call_duration", "hs_call_status", "hs_call_direction", "hubspot_owner_id"},
	"CONTACT":  {"email", "firstname", "lastname"},
	"COMPANY":  {"name"},
}

// custom are those that setup creates.
var custom = map[string][]string{
	"ACTIVITY": {"crmsync_score", "crmsync_transcript", "crmsync_deleted"},
	"CONTACT": {"crmsync_role", "crmsync_status", "crmsync_team_id", "crmsync_manager_id", "crmsync_streak",
		"crmsync_longest_streak", "crmsync_deleted"},
	"COMPANY": {"crmsync_status", "crmsync_deleted"},
}

func TestPreset_WritesExactlyWhatSetupCreatesAndHubSpotHas(t *testing.T) {
	line := regexp.MustCompile(`^CRMSYNC_MAP_(ACTIVITY|CONTACT|COMPANY)_([a-z_]+)=(.+)$`)
	got := map[string][]string{}
	for l := range strings.Lines(Preset()) {
		l = strings.TrimRight(l, "\n")
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		m := line.FindStringSubmatch(l)
		if m == nil {
			t.Fatalf("line %q is not an assignment", l)
		}
		got[m[1]] = append(got[m[1]], m[2])
	}
	for object := range standard {
		want := slices.Sorted(slices.Values(slices.Concat(standard[object], custom[object])))
		if slices.Sort(got[object]); !slices.Equal(got[object], want) {
			t.Errorf("%s: preset has %v, want %v", object, got[object], want)
		}
		for _, name := range custom[object] {
			if _, known := customProperties[name]; !known {
				t.Errorf("setup does not know %s", name)
			}
		}
	}
}
