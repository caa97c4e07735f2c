package config_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"crmsync/connector/config"
)

// TestExample_CanBeUsed fills the blanks of the example and loads it, as it is and
// with every comment of a default taken away, which changes nothing.
func TestExample_CanBeUsed(t *testing.T) {
	example := config.Example(options().Adapters)
	uncommented := strings.ReplaceAll(example, "\n#CRMSYNC_", "\nCRMSYNC_")
	if uncommented == example {
		t.Fatal("no default is shown")
	}
	want := inForce(loadGood(t, nil))
	for name, text := range map[string]string{"as it is": example, "uncommented": uncommented} {
		t.Run(name, func(t *testing.T) {
			lines, err := config.ParseEnvFile(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, required := range []string{"CRMSYNC_CRM", "CRMSYNC_WEBHOOK_SECRETS", "CRMSYNC_HUBSPOT_TOKEN"} {
				if value, listed := lines[required]; !listed || value != "" {
					t.Errorf("%s is not left to be filled in", required)
				}
				delete(lines, required)
			}
			if got := inForce(loadGood(t, lines)); !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// inForce returns the values of the settings in force by variable.
func inForce(c *config.Config) map[string]string {
	values := map[string]string{}
	for _, s := range c.Redacted() {
		values[s.Variable] = s.Value
	}
	return values
}

// TestExample_NamesWhatIsRequiredFirst looks at the order of the sections.
func TestExample_NamesWhatIsRequiredFirst(t *testing.T) {
	var got []string
	for line := range strings.Lines(config.Example(options().Adapters)) {
		if name, ok := strings.CutPrefix(line, "# ----- "); ok {
			got = append(got, strings.Trim(name, " -\n"))
		}
	}
	want := []string{
		"Required", "CRMSYNC_CRM=hubspot", "CRMSYNC_CRM=other", "Receiving", "Memory", "Writing", "Events", "Logging", "Mapping",
		"Preset of hubspot, sandbox",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDocuments_NameEveryVariable(t *testing.T) {
	example, table := config.Example(options().Adapters), config.ReadmeTable(options().Adapters)
	for _, name := range config.Variables(options().Adapters) {
		if strings.HasSuffix(name, "_FILE") && name != "CRMSYNC_MAP_FILE" {
			continue // said in general
		}
		if !strings.Contains(example, name+"=") {
			t.Errorf("the example lacks %s", name)
		}
		if !strings.Contains(table, "| `"+name+"` |") {
			t.Errorf("the table lacks %s", name)
		}
	}
	for _, line := range strings.Split(example, "\n") {
		if strings.HasPrefix(line, "# ") && len([]rune(line)) > 80 {
			t.Errorf("line of %d characters: %s", len([]rune(line)), line)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(table), "\n") {
		if strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 4 {
			t.Errorf("row has not three cells: %s", line)
		}
	}
}

func TestReadme_KeepsWhatIsAroundTheTable(t *testing.T) {
	before, after := "# crmsync\n\n<!-- config table -->", "<!-- /config table -->\n\nMore.\n"
	got, err := config.Readme(before+"\nstale\n"+after, options().Adapters)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, before+"\n| variable") || !strings.HasSuffix(got, "|\n"+after) || strings.Contains(got, "stale") {
		t.Errorf("got\n%s", got)
	}
	if again, _ := config.Readme(got, options().Adapters); again != got {
		t.Error("is not stable")
	}
	if _, err := config.Readme("# no markers", nil); err == nil {
		t.Error("no error without markers")
	}
}
