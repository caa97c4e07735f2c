package mapping

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"crmsync/crm"
)

func TestHide_ShowsMistakesAndNoSecrets(t *testing.T) {
	for source, want := range map[string]string{
		`user.emial`:                          `user.emial`,
		`user.longestStreek + 65536`:          `user.longestStreek + 65536`,
		`scorecradHTML(call, 100) ?? ""`:      `scorecradHTML(call, 100) ?? ""`,
		`user.createdAt.Format("02.01.06")`:   `user.createdAt.Format("········")`,
		`whsec_c2VjcmV0c2VjcmV0`:              `······················`,
		`pat-na1-0a1b2c3d-ffff`:               `pat-···-········-ffff`,
		`user.name == "Lena`:                  `user.name == "····`,
		`user.name == 'it\'s' && x`:           `user.name == '·····' && x`,
		"user.name + 1234567890":              "user.name + ··········",
		"let größe = 1; größe + `two\nlines`": "let größe = 1; größe + `·········`",
	} {
		if got := hide(source); got != want {
			t.Errorf("%s: got %s, want %s", source, got, want)
		}
	}
}

// TestExpressionError_HoldsNoSecret puts secrets into expressions in many ways
// (I8).
func TestExpressionError_HoldsNoSecret(t *testing.T) {
	shapes := []string{"%", "user.%", `"%`, `"%" + 1`, "'%' +", "%(user.name)", "user.name + %", "call.% ?? 1", "%%", "raw.%(", "let % = 1; %.x"}
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`(whsec_|pat-na1-|)[A-Za-z]{8}[0-9][A-Za-z0-9]{8,24}`).Draw(t, "secret")
		source := strings.ReplaceAll(rapid.SampledFrom(shapes).Draw(t, "shape"), "%", secret)
		_, err := New(Config{Fields: map[crm.Object]map[string]Expression{
			crm.Contact: {"x": {Source: source, Variable: "CRMSYNC_MAP_CONTACT_x"}},
		}})
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Fatalf("%s: got %v", source, err)
		}
	})
}
