package mapping

import "unicode/utf8"

// Cut says what Map leaves out of the records of ev: by record and CRM field,
// how many characters the value would have, markup included, if truncate and
// the limits of scorecardHTML and transcriptHTML were not there. Fields that
// hold everything are absent. It is for people who look at a mapping; it takes
// longer than Map.
func (m *Mapper) Cut(ev *Event, owners Owners) map[Lane]map[string]int {
	cut := map[Lane]map[string]int{}
	r := newRun(m, ev, owners)
	for _, record := range m.Map(ev, owners).Records {
		for _, f := range m.objects[record.Object].fields {
			if f.whole == nil || record.Fields[f.name] == nil {
				continue
			}
			whole, err := r.evaluate(f.whole)
			if err != nil {
				continue // it works only on what is cut
			}
			if n := characters(whole); n > characters(record.Fields[f.name]) {
				if cut[record.Lane] == nil {
					cut[record.Lane] = map[string]int{}
				}
				cut[record.Lane][f.name] = n
			}
		}
	}
	return cut
}

// characters counts those of a text or of all texts of a list. Other values,
// which cannot be cut, have none.
func characters(value any) int {
	switch v := value.(type) {
	case string:
		return utf8.RuneCountInString(v)
	case []string:
		n := 0
		for _, s := range v {
			n += utf8.RuneCountInString(s)
		}
		return n
	}
	return 0
}
