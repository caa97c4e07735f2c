package crmtest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"crmsync/crm"
	"crmsync/crm/crmtest"
)

// mistakeVariable tells a child process which mistake its client makes.
const mistakeVariable = "CRMTEST_MISTAKE"

// TestMemory runs the suite over a second, very different CRM.
func TestMemory(t *testing.T) {
	dial := func(_ *testing.T, url string) crm.Client {
		return &memoryClient{url: url, mistake: os.Getenv(mistakeVariable)}
	}
	refused := crm.Fields{"note": "refused"}
	crmtest.Run(t, crmtest.Options{
		Open:    func(t *testing.T, _ bool) crmtest.Account { return openMemory(t, dial) },
		Dial:    dial,
		Secret:  secret,
		Sample:  func(crm.Object, int) crm.Fields { return crm.Fields{"note": "x", "name": "y"} },
		Text:    map[crm.Object]string{crm.Contact: "note", crm.Company: "note", crm.Activity: "note"},
		Refused: map[crm.Object]crm.Fields{crm.Contact: refused, crm.Company: refused, crm.Activity: refused},
	})
}

// TestRun_CatchesMistakes runs the part of the suite that is to find a mistake
// in a child process, where it has to fail.
func TestRun_CatchesMistakes(t *testing.T) {
	for mistake, part := range map[string]string{
		"doubt is ignored":              "Faults",
		"errors are dropped":            "Refusals",
		"results are out of order":      "Upsert",
		"links are not removed":         "Links",
		"previews are out of order":     "Preview",
		"previews write":                "Preview",
		"cleared fields are not seen":   "Preview",
		"comparisons are out of order":  "Compare",
		"comparisons write":             "Compare",
		"a broken network is final":     "Network",
		"the CRM's words are passed on": "Statuses",
	} {
		t.Run(mistake, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemory$/^"+part+"$")
			cmd.Env = append(os.Environ(), mistakeVariable+"="+mistake)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the suite passes")
			}
			if !strings.Contains(string(out), "--- FAIL: TestMemory/"+part) {
				t.Errorf("it failed for another reason: %s", out)
			}
		})
	}
}
