package app

import (
	"os"
	"strings"
	"testing"

	"crmsync/connector/config"
)

// TestExamples_OfTheDocumentsWork loads every mapping and filter that the example
// file and the README show, each on its own, as a person who copies it does.
func TestExamples_OfTheDocumentsWork(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"README.md": string(readme), "config.example.env": config.Example(offered())} {
		found := 0
		for line := range strings.Lines(text) {
			variable, value, ok := strings.Cut(strings.TrimSuffix(strings.TrimLeft(line, "# "), "\n"), "=")
			mapped := strings.HasPrefix(variable, "CRMSYNC_MAP_") || strings.HasPrefix(variable, "CRMSYNC_FILTER_")
			if !ok || !mapped || strings.ContainsAny(variable, " <") || variable == "CRMSYNC_MAP_FILE" {
				continue
			}
			found++
			t.Run(name+" "+variable, func(t *testing.T) {
				t.Setenv("CRMSYNC_CRM", "sandbox")
				t.Setenv("CRMSYNC_WEBHOOK_SECRETS", testSecret)
				t.Setenv(variable, value)
				if _, problems := checkConfig(); len(problems) > 0 {
					t.Errorf("%s: %+v", line, problems)
				}
			})
		}
		if found < 5 {
			t.Errorf("%s shows %d mappings and filters", name, found)
		}
	}
}
