package connector

import (
	"fmt"
	"slices"
	"strings"

	"crmsync/crm"
	"crmsync/mapping"
)

// remedy says how to mend a mismatch. The nearest option is told for a constant,
// which is not quoted itself.
func (s subject) remedy(r *mismatch, constant any) string {
	if r.code != CodeNotAnOption {
		return r.remedy
	}
	list := s.optionList()
	if list == "" {
		return "its list is empty: add the values in the CRM first, or map another field"
	}
	text, _ := constant.(string)
	if s.field.Kind == crm.FieldMulti && strings.ContainsAny(text, ",; ") {
		example := s.field.Options[:min(len(s.field.Options), 2)]
		return fmt.Sprintf(`several values are a list, such as ["%s"]; in a text there is ; between them, and no blank: %s`, strings.Join(example, `", "`), list)
	}
	if i := slices.IndexFunc(s.field.Labels, func(label string) bool { return label != "" && strings.EqualFold(label, text) }); i >= 0 {
		return fmt.Sprintf("did you mean %q? The internal values count, not the labels: %s", s.field.Options[i], list)
	}
	if near := mapping.Nearest(text, s.field.Options); near != "" {
		return fmt.Sprintf("did you mean %q? The internal values count, not the labels: %s", near, list)
	}
	return "give one of its internal values, not of its labels: " + list
}

// optionList shows the options of the field, with the labels of those that say
// nothing to a person.
func (s subject) optionList() string {
	var shown []string
	for i, option := range s.field.Options {
		if i == maxOptionsInMessage {
			return strings.Join(shown, ", ") + ", …"
		}
		if i < len(s.field.Labels) && len(option) > maxPlainOption && s.field.Labels[i] != option {
			option += " (" + s.field.Labels[i] + ")"
		}
		shown = append(shown, option)
	}
	return strings.Join(shown, ", ")
}

// maxPlainOption is the length of an option that reads as a word: a longer one is
// an id.
const maxPlainOption = 30

// remedyFailure says how to mend an expression that fails.
func remedyFailure(source string, o mapping.Outcome) string {
	remedy := "say with ?? what stands for a value that is missing, such as (user.streak ?? 0) + 1"
	if !o.Sparse {
		remedy = "every value is there, but one is not of the kind that is needed: int(…) and float(…) read texts that are numbers, owner(…) takes an address"
	}
	if strings.Contains(source, "%") {
		remedy += "; % takes whole numbers, such as int(user.streak ?? 0) % 2"
	}
	return remedy
}
