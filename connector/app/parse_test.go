package app

import (
	"testing"
	"time"
)

func TestParseSince(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                          {},
		"36h":                       testNow.Add(-36 * time.Hour),
		"7d":                        testNow.AddDate(0, 0, -7),
		"1d12h":                     testNow.Add(-36 * time.Hour),
		"90m":                       testNow.Add(-90 * time.Minute),
		"0s":                        testNow,
		"2026-07-01":                time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC),
		"2026-07-01T10:00:00+02:00": time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC),
	} {
		if got, err := parseSince(text, testNow); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"7", "d", "-7d", "7d-1h", "-36h", "1.5d", "yesterday", "2026-13-01", "9999999d", "d7"} {
		if got, err := parseSince(text, testNow); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
