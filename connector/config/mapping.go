package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"crmsync/crm"
	"crmsync/mapping"
)

const (
	switchedOff = "off"
	maxName     = 128
)

const (
	remedyPreset  = "this is a mistake of crmsync: please report it"
	remedyMapFile = `it must be like {"contact": {"field": "expression"}, "activity": {…}, "company": {…}}`
)

// mapFields fills Config.Mapping.Fields. Later layers replace earlier ones field
// by field: the preset, the file, then the variables of each object.
func (l *loader) mapFields(a *Adapter) {
	if a != nil {
		l.presetFields(a)
	} else {
		l.unread(crm.Objects()...)
	}
	l.fileFields()
	for object, v := range l.objectVariables() {
		l.objectFields(object, v)
	}
	in := &l.in
	if in.MapContact.text == switchedOff && in.MapActivity.text == switchedOff && in.MapCompany.text == switchedOff {
		l.warn(in.MapContact.variable, CodeNoEffect, "is off like "+in.MapActivity.variable+" and "+in.MapCompany.variable+": nothing will be written",
			"remove one of them; CRMSYNC_DRY_RUN=true is for trying out")
	}
}

// unread notes objects of whose mapping a part could not be read.
func (l *loader) unread(objects ...crm.Object) {
	for _, o := range objects {
		l.cfg.Unread[o] = true
	}
}

func (l *loader) objectVariables() map[crm.Object]*value {
	return map[crm.Object]*value{
		crm.Contact: &l.in.MapContact, crm.Activity: &l.in.MapActivity, crm.Company: &l.in.MapCompany,
	}
}

// presetFields is the first layer. Variable names what would override the field.
func (l *loader) presetFields(a *Adapter) {
	lines, err := parseEnvFile(a.Preset)
	if err != nil {
		l.problem(l.in.CRM.variable, CodeUnsupported, fmt.Sprintf("has a broken preset: %v", err), remedyPreset)
	}
	for _, line := range lines {
		object, field, ok := cutFieldVariable(line.name)
		if !ok || line.value == "" {
			l.problem(l.in.CRM.variable, CodeUnsupported, "has a preset that sets "+line.name, remedyPreset)
			continue
		}
		l.set(object, field, mapping.Expression{Source: strings.TrimSpace(line.value), Variable: line.name})
	}
}

// cutFieldVariable takes the variable of a single field apart.
func cutFieldVariable(variable string) (object crm.Object, field string, ok bool) {
	for _, object := range crm.Objects() {
		if field, ok := strings.CutPrefix(variable, fieldPrefix(object)); ok {
			return object, field, true
		}
	}
	return "", "", false
}

// set puts an expression in its place; an empty one removes the field.
func (l *loader) set(object crm.Object, field string, e mapping.Expression) {
	fields := l.cfg.Mapping.Fields
	if e.Source == "" {
		delete(fields[object], field)
		return
	}
	if fields[object] == nil {
		fields[object] = map[string]mapping.Expression{}
	}
	fields[object][field] = e
}

// fileFields is the layer of CRMSYNC_MAP_FILE.
func (l *loader) fileFields() {
	v := &l.in.MapFile
	if v.text == "" {
		return
	}
	text := l.readFile(v.variable, v.text)
	if text == "" {
		l.unread(crm.Objects()...)
		return
	}
	objects, err := members[json.RawMessage]([]byte(text))
	if err != nil {
		l.unread(crm.Objects()...)
		l.problem(v.variable, CodeUnreadableFile, "names a file that "+err.Error(), remedyMapFile)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		object := crm.Object(name)
		if !slices.Contains(crm.Objects(), object) {
			l.unread(crm.Objects()...)
			l.problem(v.variable, CodeUnreadableFile, "names a file with a member that is none of activity, company, contact", remedyMapFile)
			continue
		}
		fields, err := members[string](objects[name])
		if err != nil {
			l.unread(object)
			l.problem(v.variable, CodeUnreadableFile, "names a file whose member "+name+" "+err.Error(), remedyMapFile)
		}
		l.setAll(object, fields, v.variable)
	}
}

// objectFields is the layer of the variables of one object: one that switches it
// off or carries JSON, and one for each field.
func (l *loader) objectFields(object crm.Object, v *value) {
	single := l.fieldVariables(object)
	if v.text == switchedOff {
		for _, e := range single {
			if e.Source != "" {
				l.problem(e.Variable, CodeConflict, "sets a field of an object that "+v.variable+" switches off", "remove one of them")
			}
		}
		delete(l.cfg.Mapping.Fields, object)
		return
	}
	if v.text != "" {
		l.jsonFields(object, v, single)
	}
	for field, e := range single {
		l.set(object, field, e)
	}
}

func (l *loader) jsonFields(object crm.Object, v *value, single map[string]mapping.Expression) {
	if n := len(v.text); n > 3 && v.text[:2] == `"{` && v.text[n-2:] == `}"` {
		l.recovered(v.variable, CodeBadValue, "is wrapped in quotes, which become part of the value", "remove the quotes around the JSON")
		v.text = v.text[1 : n-1]
	}
	fields, err := members[string]([]byte(v.text))
	if err != nil {
		l.unread(object)
		l.problem(v.variable, CodeBadValue, err.Error(), `it must be off or like {"field": "expression"}`)
		return
	}
	for field := range fields {
		if e, both := single[field]; both {
			l.problem(e.Variable, CodeConflict, "sets a field that "+v.variable+" sets too", "remove one of them")
		}
	}
	l.setAll(object, fields, v.variable)
}

// setAll sets the fields of a JSON object.
func (l *loader) setAll(object crm.Object, fields map[string]string, variable string) {
	for field, source := range fields {
		if !validField(field) {
			l.unread(object)
			l.problem(variable, CodeBadValue, "has a member for "+string(object)+" that cannot be the name of a field", "a name has 1 to 128 characters, none of them invisible")
			continue
		}
		l.set(object, field, mapping.Expression{Source: strings.TrimSpace(source), Variable: variable})
	}
}

// fieldVariables returns what CRMSYNC_MAP_<OBJECT>_<field> sets, empty ones
// included: they remove a field.
func (l *loader) fieldVariables(object crm.Object) map[string]mapping.Expression {
	out := map[string]mapping.Expression{}
	for name, text := range l.env {
		field, ok := strings.CutPrefix(name, fieldPrefix(object))
		if !ok {
			continue
		}
		if !validName(field) {
			l.unread(object)
			l.problem(name, CodeUnknownVariable, "does not end with the name of a field",
				"for example "+fieldPrefix(object)+"email; a name that a variable cannot carry goes into JSON: "+strings.TrimSuffix(fieldPrefix(object), "_")+`={"Field Name": "expression"}`)
			continue
		}
		out[field] = mapping.Expression{Source: strings.TrimSpace(text), Variable: name}
	}
	return out
}

// validName says whether name can be the name of a field or of a variable.
func validName(name string) bool {
	bad := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
	return name != "" && len(name) <= maxName && strings.IndexFunc(name, bad) < 0
}

// validField says whether name can be the name of a field that is given in JSON:
// unlike a variable it may have blanks inside.
func validField(name string) bool {
	return strings.TrimSpace(name) == name && validName(strings.ReplaceAll(name, " ", "_"))
}

// keepKey reports the expressions for the CRM field that v names: it holds our
// ids, and nothing else may be written to it.
func (l *loader) keepKey(v *value) {
	l.key = v.text
	for _, fields := range l.cfg.Mapping.Fields {
		for field, e := range fields {
			if !strings.EqualFold(field, v.text) { // there are CRMs that take either case for the same field
				continue
			}
			if _, set := l.env[e.Variable]; set {
				l.problem(e.Variable, CodeConflict, "maps the field that "+v.variable+" names, which crmsync writes itself",
					"remove it from the mapping or name another field in "+v.variable)
			} else if !l.problems.has(v.variable) {
				l.problem(v.name(), CodeConflict, "names a field that the mapping writes", "name one of its own, such as "+v.fallback)
			}
		}
	}
}

// members returns the members of a JSON object. Unlike json.Unmarshal it refuses
// a member that comes twice. Its errors are read after the name of what holds
// the JSON, and give the position instead of quoting it.
func members[T any](text []byte) (map[string]T, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	out := map[string]T{}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, malformed(text, d, err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, malformed(text, d, err)
		}
		var member *T // null leaves it nil
		if err := d.Decode(&member); err != nil || member == nil {
			return nil, malformed(text, d, err)
		}
		name := key.(string) // the decoder accepts nothing else in this place
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("has a member twice, before %s", position(text, d.InputOffset()))
		}
		out[name] = *member
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed(text, d, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("goes on after its JSON object, before %s", position(text, d.InputOffset()))
	}
	return out, nil
}

// malformed says what is wrong without the decoder's own words, which quote. A
// nil err means that the JSON is valid and of another type.
func malformed(text []byte, d *json.Decoder, err error) error {
	at := position(text, d.InputOffset())
	if _, wrongType := errors.AsType[*json.UnmarshalTypeError](err); wrongType || err == nil {
		return fmt.Errorf("has a value of the wrong type near %s", at)
	}
	return fmt.Errorf("is not valid JSON near %s", at)
}

// position says where the first token at or behind offset begins.
func position(text []byte, offset int64) string {
	before := text[:min(offset, int64(len(text)))]
	rest := text[len(before):]
	skipped := len(rest) - len(bytes.TrimLeft(rest, " \t\r\n,:"))
	before = text[:len(before)+skipped]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("line %d, column %d", line, len(before)-bytes.LastIndexByte(before, '\n'))
}
