package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"crmsync/crm"
	"crmsync/mapping"
)

// The markers between which the README holds the table of settings.
const (
	tableStart = "<!-- config table -->"
	tableEnd   = "<!-- /config table -->"
)

const lineWidth = 78

// exampleHead explains the file to a person who has nothing else.
const exampleHead = `# crmsync is configured by environment variables. This file lists all of them.
#
# 1. Copy it:      crmsync config --example > crmsync.env
# 2. Fill in the section Required and that of your CRM. Everything else can stay
#    as it is: a line such as #NAME=value shows the default, an indented one
#    is an example.
# 3. Check it:     docker run --rm --env-file crmsync.env crmsync check
# 4. Run it:       docker run -d --env-file crmsync.env -v crmsync-state:/data \
#                    -p 8080:8080 crmsync
#
# Without a container, this loads it into the shell that starts crmsync, each
# value as it is (. crmsync.env does not: a shell takes quotes away):
#
#   while read -r line || [ -n "$line" ]; do case $line in ''|'#'*) ;;
#   *) export "$line" ;; esac; done < crmsync.env
#
# Docker Compose loads it with env_file: [{path: crmsync.env, format: raw}].
#
# A line is NAME=value: everything behind the first = is the value, as it is,
# without quotes and without a comment. An empty value is the same as none. A
# name that is not known is a mistake, so that none is overlooked; crmsync check
# finds all mistakes at once. A secret can come from a file instead, as in
# CRMSYNC_WEBHOOK_SECRETS_FILE=/run/secrets/webhook-secrets.
`

// exampleMapping explains the variables of single fields.
const exampleMapping = `# Every field of the CRM that is written has an expression. Those of the preset
# at the end of this file are in force until you change them, field by field:
#
#   CRMSYNC_MAP_CONTACT_<field>=expression    contacts, from users
#   CRMSYNC_MAP_ACTIVITY_<field>=expression   call activities, from calls
#   CRMSYNC_MAP_COMPANY_<field>=expression    companies, from organisations
#
# The <field> is the CRM's own name. A variable that is set replaces that field
# of the preset; set to nothing, it removes the field: then it is never written.
#
# Expressions are those of https://expr-lang.org/docs/language-definition.
# Variables: event (id, type, timestamp, messageId), call, user, org (as in the
# payload), deleted, raw (the payload as received). What is absent is nil. An
# expression that gives nil leaves the CRM's value alone, "" clears it.
# Functions beside those of the language: firstName(name), lastName(name),
# owner(email), averageScore(call), scorecard(call), transcript(call),
# scorecardHTML(call), transcriptHTML(call), durationMillis(call),
# durationSeconds(call), unixMillis(t), isoDate(t), isoTime(t), truncate(s, n).
#
# Examples: a text with a prefix, a constant, a condition, a member of the
# payload that has no name of its own, and a field that is not to be written:
#
#   CRMSYNC_MAP_ACTIVITY_hs_call_title="Practice: " + (call.title ?? "call")
#   CRMSYNC_MAP_CONTACT_lifecyclestage="other"
#   CRMSYNC_MAP_CONTACT_jobtitle=user.role == "Manager" ? "Head" : "Rep"
#   CRMSYNC_MAP_CONTACT_locale=raw.user.locale ?? raw.call.user.locale ?? ""
#   CRMSYNC_MAP_ACTIVITY_crmsync_transcript=
#
# Who wins a field that people edit in the CRM too?
# CRMSYNC_POLICY_CONTACT_<field> (or ACTIVITY, COMPANY) is one of
#
#   always         crmsync writes what the event says; the default
#   if_empty       only while the field is empty
#   if_unchanged   only while the field holds what crmsync wrote last: an edit
#                  in the CRM stays, and so does a field that somebody cleared
#   on_create      only with a new record
`

// Example returns config.example.env: every variable with its default, the
// mapping of the presets included.
func Example(adapters []Adapter) string {
	var b strings.Builder
	b.WriteString(exampleHead)
	for _, g := range groups(adapters) {
		heading(&b, g.name)
		if g.name == mappingGroup {
			b.WriteString("\n" + exampleMapping)
		}
		for _, row := range g.rows {
			b.WriteString("\n")
			exampleRow(&b, row)
		}
	}
	for _, p := range presets(adapters) {
		heading(&b, "Preset of "+p.names)
		b.WriteString("\n" + commentOut(p.text))
	}
	return b.String()
}

func heading(b *strings.Builder, name string) {
	fmt.Fprintf(b, "\n# ----- %s %s\n", name, strings.Repeat("-", max(3, lineWidth-9-len(name))))
}

// exampleRow explains a variable. Its default is the only line that can be
// uncommented: an example is indented.
func exampleRow(b *strings.Builder, row setting) {
	for _, line := range wrap(row.description(), lineWidth-2) {
		b.WriteString("# " + line + "\n")
	}
	if row.example != "" && !row.secret {
		b.WriteString("#   " + row.variable + "=" + row.example + "\n")
	}
	comment := "#"
	if row.mandatory || row.usual {
		comment = ""
	}
	b.WriteString(comment + row.variable + "=" + row.fallback + "\n")
}

// description returns the help with what the table knows beside it.
func (s setting) description() string {
	text := sentence(s.help)
	if s.unset != "" {
		text += " Default: " + s.unset + "."
	}
	if s.mandatory {
		text += " Required."
	}
	if s.secret {
		text += " Secret; or the path of a file in " + s.variable + fileSuffix + "."
	}
	if s.example != "" && !s.secret {
		text += " For example:"
	}
	return text
}

// sentence gives text a capital and a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// commentOut turns the assignments of a preset into comments.
func commentOut(preset string) string {
	lines := strings.Split(strings.TrimSpace(preset), "\n")
	for i, line := range lines {
		if line != "" && !strings.HasPrefix(line, "#") {
			lines[i] = "#" + line
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// ReadmeTable returns the settings as a Markdown table.
func ReadmeTable(adapters []Adapter) string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, g := range groups(adapters) {
		rows := g.rows
		if g.name == mappingGroup {
			rows = append(fieldRows(), rows...)
		}
		for _, row := range rows {
			readmeRow(&b, row)
		}
	}
	return b.String()
}

func readmeRow(b *strings.Builder, row setting) {
	fallback, help := row.unset, sentence(row.help)
	switch {
	case row.fallback != "":
		fallback = "`" + row.fallback + "`"
	case row.mandatory:
		fallback = "required"
	}
	if row.secret {
		help += " Secret; also as `" + row.variable + fileSuffix + "`."
	}
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;")
	fmt.Fprintf(b, "| `%s` | %s | %s |\n", row.variable, fallback, escape.Replace(help))
}

// Readme returns the README with the table between its markers made anew.
func Readme(readme string, adapters []Adapter) (string, error) {
	head, rest, ok := strings.Cut(readme, tableStart)
	_, tail, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return "", errors.New("readme has no markers " + tableStart + " and " + tableEnd)
	}
	return head + tableStart + "\n" + ReadmeTable(adapters) + tableEnd + tail, nil
}

const mappingGroup = "Mapping"

// group is the settings below one heading.
type group struct {
	name string
	rows []setting
}

// groups returns the table as it is documented: what is required and what each
// CRM needs come first.
func groups(adapters []Adapter) []group {
	var out []group
	for _, row := range coreSettings() {
		if row.variable == prefix+"CRM" {
			row.help += " " + strings.Join(adapterNames(adapters), ", ") + "."
		}
		if n := len(out); n == 0 || out[n-1].name != row.group {
			out = append(out, group{name: row.group})
		}
		g := &out[len(out)-1]
		g.rows = append(g.rows, row)
	}
	var crms []group
	for _, a := range adapters {
		if rows := a.settings(); len(rows) > 0 {
			crms = append(crms, group{name: "CRMSYNC_CRM=" + a.Name, rows: rows})
		}
	}
	return slices.Insert(out, 1, crms...)
}

// fieldRows describes the variables of single fields.
func fieldRows() []setting {
	from := map[crm.Object]string{
		crm.Contact: "contacts (from users)", crm.Activity: "call activities (from calls)", crm.Company: "companies (from organisations)",
	}
	var rows []setting
	for _, object := range crm.Objects() {
		rows = append(rows, setting{
			variable: fieldPrefix(object) + "<field>",
			unset:    "the CRM's preset",
			help:     "Expression for one CRM field of " + from[object] + ". Empty removes the field.",
		})
	}
	return append(rows, setting{
		variable: policyFieldPrefix(crm.Contact) + "<field>",
		fallback: string(mapping.Always),
		help: "Who wins a field that people edit in the CRM too (ACTIVITY and COMPANY alike): always writes what the event says, " +
			"if_empty only while the field is empty, if_unchanged only while it holds what crmsync wrote last, on_create only with a new record.",
	})
}

// preset is a default mapping and the adapters that share it.
type preset struct{ names, text string }

func presets(adapters []Adapter) []preset {
	var out []preset
next:
	for _, a := range adapters {
		for i := range out {
			if out[i].text == a.Preset {
				out[i].names += ", " + a.Name
				continue next
			}
		}
		if a.Preset != "" {
			out = append(out, preset{a.Name, a.Preset})
		}
	}
	return out
}

// wrap breaks text at blanks into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
