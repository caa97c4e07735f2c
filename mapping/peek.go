package mapping

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Peek reads the little that acceptance needs from a body, and never fails:
// what it cannot read is left empty. It agrees with Decode about every body
// that Decode accepts, and finds no lanes in one that Decode cannot read.
func Peek(body []byte) Envelope {
	// The scanner relies on valid JSON.
	if tooDeep(body) || !json.Valid(body) {
		return Envelope{}
	}
	s := scanner{b: body}
	return s.parts().envelope()
}

// scanner walks valid JSON without building values, so that a long transcript
// costs no memory. Like encoding/json it lets the last of equal names win.
type scanner struct {
	b []byte
	i int
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
// of another type is skipped.
func (s *scanner) members(f func(name string)) {
	if s.peek() != '{' {
		s.skip()
		return
	}
	s.i++
	for s.peek() != '}' && s.i < len(s.b) {
		name := s.text()
		s.peek()
		s.i++ // the colon
		f(name)
		if s.peek() == ',' {
			s.i++
		}
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
	case '{', '[':
		s.skipNested()
	default: // a number, true, false or null
		for s.i < len(s.b) && bytes.IndexByte([]byte(",]} \t\r\n"), s.b[s.i]) < 0 {
			s.i++
		}
	}
}

// skipNested consumes an object or array by counting brackets.
func (s *scanner) skipNested() {
	for depth := 0; s.i < len(s.b); {
		switch s.b[s.i] {
		case '"':
			s.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.i++
		if depth == 0 {
			return
		}
	}
}

// skipString consumes a string, both quotes included.
func (s *scanner) skipString() {
	s.i++
	for s.i < len(s.b) {
		n := bytes.IndexByte(s.b[s.i:], '"')
		if n < 0 {
			s.i = len(s.b)
			return
		}
		end := s.i + n
		slashes := 0
		for end-slashes > s.i && s.b[end-slashes-1] == '\\' {
			slashes++
		}
		s.i = end + 1
		if slashes%2 == 0 {
			return
		}
	}
}
