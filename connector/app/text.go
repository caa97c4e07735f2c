package app

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// table writes rows in aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer) table {
	return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

// row adds a row. Empty cells become "-", so that columns can be cut by tools.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		if cell = printable(cell); cell == "" {
			cell = "-"
		}
		cells[i] = cell
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t table) flush() error { return t.w.Flush() }

// printable makes text from outside safe for a terminal: one line, no control
// characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}

// maxValue is how much of a value people get to see; --json has all of it.
const maxValue = 120

// valueText shows a mapped value on one line.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing (the CRM's value stays)"
	case string:
		return quoteShort(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("a %T", v)
	}
	return printable(string(text))
}

func quoteShort(s string) string {
	runes := []rune(s)
	if len(runes) <= maxValue {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%s… (%d characters)", strconv.Quote(string(runes[:maxValue])), len(runes))
}

// timeText shows a moment, "-" when it is not known.
func timeText(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// secondsText shows an age as people say it, in its two largest units.
func secondsText(seconds int64) string {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	switch {
	case seconds < minute:
		return fmt.Sprintf("%ds", seconds)
	case seconds < hour:
		return fmt.Sprintf("%dm %ds", seconds/minute, seconds%minute)
	case seconds < day:
		return fmt.Sprintf("%dh %dm", seconds/hour, seconds%hour/minute)
	}
	return fmt.Sprintf("%dd %dh", seconds/day, seconds%day/hour)
}

// plural says "1 event", "2 events" and "2 companies".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printJSON writes v on one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
