package mapping

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// document is a text that can be shown plain or as HTML. nil is no document,
// an empty one is "".
type document []block

// block is a paragraph with an optional label in front or, when it has items,
// a heading with a list.
type block struct {
	label string
	text  string
	items []string
	gap   bool // an empty line before it, in plain text
}

// plain renders d without markup; nil for no document.
func (d document) plain() any {
	if d == nil {
		return nil
	}
	var b strings.Builder
	for i, p := range d {
		if p.gap && i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.label)
		if p.text != "" && p.label != "" {
			b.WriteByte(' ')
		}
		b.WriteString(p.text)
		b.WriteByte('\n')
		for _, item := range p.items {
			b.WriteString("- " + item + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// html renders d in at most limit characters. What does not fit is left out
// and counted in a last paragraph; tags and entities stay whole.
func (d document) html(limit int) string {
	full := htmlWriter{room: limit}
	full.document(d)
	if full.cut == 0 {
		return string(full.out)
	}
	// The note is longest for everything that there is to cut.
	reserve := utf8.RuneCountInString(cutNote(full.cut + full.written))
	w := htmlWriter{room: limit - reserve}
	w.document(d)
	if note := cutNote(w.cut); w.room >= 0 {
		return string(w.out) + note
	}
	return ""
}

func cutNote(n int) string { return fmt.Sprintf("<p>(cut by %d characters)</p>", n) }

// htmlWriter writes HTML until room is used up, and counts the characters of
// text that it wrote and that it had to leave out.
type htmlWriter struct {
	out     []byte
	room    int
	full    bool // nothing more is written
	written int
	cut     int
}

func (w *htmlWriter) document(d document) {
	for _, p := range d {
		w.element("p", func() {
			if p.label != "" {
				w.element("strong", func() { w.text(p.label) })
				if p.text != "" {
					w.text(" ")
				}
			}
			w.text(p.text)
		})
		if len(p.items) == 0 {
			continue
		}
		w.element("ul", func() {
			for _, item := range p.items {
				w.element("li", func() { w.text(item) })
			}
		})
	}
}

// element writes a tag around what inner writes. The closing tag is paid for
// before the opening one is written. A tag around nothing is taken back when
// that is because there was no room.
func (w *htmlWriter) element(tag string, inner func()) {
	before, after := "<"+tag+">", "</"+tag+">"
	start := len(w.out)
	open := w.take(len(before) + len(after))
	if open {
		w.out = append(w.out, before...)
	}
	inner()
	switch {
	case !open:
	case w.full && len(w.out) == start+len(before):
		w.out = w.out[:start]
	default:
		w.out = append(w.out, after...)
	}
}

// text writes escaped characters one by one; line feeds become breaks.
func (w *htmlWriter) text(s string) {
	for _, r := range clean(s) {
		out := html.EscapeString(string(r))
		if r == '\n' {
			out = "<br>"
		}
		if !w.take(utf8.RuneCountInString(out)) {
			w.cut++
			continue
		}
		w.written++
		w.out = append(w.out, out...)
	}
}

// take uses n characters of the room. Once something did not fit nothing does,
// so that a text is cut at its end and has no holes.
func (w *htmlWriter) take(n int) bool {
	if w.full = w.full || n > w.room; w.full {
		return false
	}
	w.room -= n
	return true
}
