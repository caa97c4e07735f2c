package mapping

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Peek reads the little that acceptance needs from a body, and never fails:
// what it cannot read is left empty. It agrees with Decode about every body
// that Decode accepts, and finds no lanes in one that Decode cannot read.
func Peek(body []byte) Envelope {
	s := scanner{b: body}
	p := s.parts()
	if !s.ended() {
		return Envelope{}
	}
	return p.envelope()
}

// scanner walks JSON once, and builds only what it is asked for, so that at the
// door a long transcript costs no memory and little time. It takes what
// encoding/json takes, unless it is nested too deep, and like it lets the last
// of equal names win.
type scanner struct {
	b     []byte
	i     int // len(b) once something is wrong
	depth int // above maxDepth when that is what is wrong
	wrong bool
}

// ended reports whether all of b was one JSON value.
func (s *scanner) ended() bool {
	s.peek()
	return !s.wrong && s.i == len(s.b)
}

// fail ends the walk: there is nothing more to be seen.
func (s *scanner) fail() { s.wrong, s.i = true, len(s.b) }

// tree consumes one value and returns it as encoding/json does with UseNumber.
func (s *scanner) tree() any {
	switch s.peek() {
	case '"':
		return s.text()
	case '{':
		object := map[string]any{}
		s.members(func(name string) { object[name] = s.tree() })
		return object
	case '[':
		list := []any{}
		s.entries(']', func() { list = append(list, s.tree()) })
		return list
	case 't':
		s.skipWord("true")
		return true
	case 'f':
		s.skipWord("false")
		return false
	case 'n':
		s.skipWord("null")
		return nil
	}
	start := s.i
	s.skipNumber()
	if s.wrong {
		return nil
	}
	return json.Number(s.b[start:s.i])
}

// parts reads the envelope.
func (s *scanner) parts() parts {
	var p parts
	s.members(func(name string) {
		switch name {
		case "id":
			p.id = s.text()
		case "type":
			p.typ = s.text()
		case "timestamp":
			p.timestamp = s.text()
		case "payload":
			p.call, p.user, p.org = nil, nil, nil
			s.payload(&p)
		default:
			s.skip()
		}
	})
	return p
}

func (s *scanner) payload(p *parts) {
	s.members(func(name string) {
		switch name {
		case "call":
			p.call = s.subject()
		case "user":
			p.user = s.subject()
		case "org":
			p.org = s.subject()
		default:
			s.skip()
		}
	})
}

// subject reads an object with an id; anything else is skipped and nil.
func (s *scanner) subject() *subject {
	if s.peek() != '{' {
		s.skip()
		return nil
	}
	var sub subject
	s.members(func(name string) {
		switch name {
		case "id":
			sub.id = s.text()
		case "user":
			sub.user = s.subject()
		default:
			s.skip()
		}
	})
	return &sub
}

// members calls f for each member of an object; f consumes the value. A value
// of another type is skipped. A nil f skips every value.
func (s *scanner) members(f func(name string)) {
	if s.peek() != '{' {
		s.skip()
		return
	}
	s.entries('}', func() {
		switch {
		case s.peek() != '"':
			s.fail()
		case f == nil:
			s.skipString()
			s.colon()
			s.skip()
		default:
			name := s.text()
			s.colon()
			f(name)
		}
	})
}

// entries consumes an object or array, from its bracket to the closing one;
// entry consumes what stands between two commas.
func (s *scanner) entries(closing byte, entry func()) {
	if s.depth++; s.depth > maxDepth {
		s.fail()
		return
	}
	s.i++
	if s.peek() == closing {
		s.i++
		s.depth--
		return
	}
	for !s.wrong {
		entry()
		switch s.peek() {
		case ',':
			s.i++
		case closing:
			s.i++
			s.depth--
			return
		default:
			s.fail()
		}
	}
}

func (s *scanner) colon() {
	if s.peek() != ':' {
		s.fail()
		return
	}
	s.i++
}

// peek skips white space and returns the next byte; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
		default:
			return s.b[s.i]
		}
	}
	return 0
}

// text consumes a value and returns it when it is a string, else "".
func (s *scanner) text() string {
	if s.peek() != '"' {
		s.skip()
		return ""
	}
	start := s.i
	s.skipString()
	if s.wrong {
		return ""
	}
	inner := s.b[start+1 : s.i-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var text string
	if json.Unmarshal(s.b[start:s.i], &text) != nil {
		return ""
	}
	return text
}

// skip consumes one value of any type.
func (s *scanner) skip() {
	switch s.peek() {
	case '"':
		s.skipString()
	case '{':
		s.members(nil)
	case '[':
		s.entries(']', s.skip)
	case 't':
		s.skipWord("true")
	case 'f':
		s.skipWord("false")
	case 'n':
		s.skipWord("null")
	default:
		s.skipNumber()
	}
}

// plain are the bytes of a string that stand for themselves.
var plain = func() (p [256]bool) {
	for c := ' '; c < 256; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

// skipString consumes a string, both quotes included.
func (s *scanner) skipString() {
	i := s.i + 1
	for i < len(s.b) {
		switch c := s.b[i]; {
		case plain[c]:
			i++
		case c == '"':
			s.i = i + 1
			return
		case c == '\\':
			n := escapeLen(s.b[i:])
			if n == 0 {
				s.fail()
				return
			}
			i += n
		default: // a control character
			s.fail()
			return
		}
	}
	s.fail()
}

// escapeLen returns the length of the escape sequence that b begins with, 0
// when there is none.
func escapeLen(b []byte) int {
	switch {
	case len(b) < 2:
		return 0
	case bytes.IndexByte([]byte(`"\/bfnrt`), b[1]) >= 0:
		return 2
	case b[1] != 'u' || len(b) < 6:
		return 0
	}
	if _, err := hex.DecodeString(string(b[2:6])); err != nil {
		return 0
	}
	return 6
}

func (s *scanner) skipWord(word string) {
	if !bytes.HasPrefix(s.b[s.i:], []byte(word)) {
		s.fail()
		return
	}
	s.i += len(word)
}

// skipNumber consumes a number: -12.5e+7.
func (s *scanner) skipNumber() {
	s.skipOne("-")
	if !s.skipOne("0") && !s.skipDigits() {
		s.fail()
	}
	if s.skipOne(".") && !s.skipDigits() {
		s.fail()
	}
	if s.skipOne("eE") {
		s.skipOne("+-")
		if !s.skipDigits() {
			s.fail()
		}
	}
}

// skipOne consumes one of the bytes, if it is there.
func (s *scanner) skipOne(of string) bool {
	if s.i >= len(s.b) || strings.IndexByte(of, s.b[s.i]) < 0 {
		return false
	}
	s.i++
	return true
}

func (s *scanner) skipDigits() (some bool) {
	for s.skipOne("0123456789") {
		some = true
	}
	return some
}
