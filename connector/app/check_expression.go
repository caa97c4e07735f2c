package app

import (
	"fmt"
	"regexp"
	"strings"

	"crmsync/connector"
	"crmsync/mapping"
)

const (
	remedyQuotes  = `a text has double quotes around it; where a shell or Compose takes quotes away, write '"…"'`
	remedyGrammar = "crmsync config --example explains expressions; https://expr-lang.org/docs/language-definition all of them"
)

// slip is a mistake that people make who do not know the language, and what to
// tell them instead of what its parser says.
type slip struct {
	source  *regexp.Regexp // what the expression looks like
	message *regexp.Regexp // what the parser says; nil for anything
	code    string
	says    string
	remedy  string
}

// Parts of an expression that the parser did not expect, or does not know.
var unexpected = regexp.MustCompile(`unexpected token|unknown name|unrecognized character`)

// slips are in the order in which they are tried.
var slips = []slip{
	{
		regexp.MustCompile(`[“”„‘’‚«»]`), nil, "curled_quotes",
		"has curled quotation marks, as a word processor writes them", `write straight ones: "…"`,
	},
	{
		regexp.MustCompile(`["'` + "`" + `]`), regexp.MustCompile(`literal not terminated`), "missing_quote",
		"a text begins with a quotation mark and does not end with one", "put a quotation mark where the text ends",
	},
	{
		regexp.MustCompile(`\{\{|\$\{|\$(user|call|org|event|raw)\b`), nil, "placeholder",
		"variables have no braces and no $ around them", "write them as they are, such as user.name",
	},
	{
		regexp.MustCompile(`\s#`), regexp.MustCompile(`Operator\("#"\)`), "comment",
		"has a comment behind it, which becomes part of the expression", "put the comment on a line of its own that begins with #",
	},
	{
		regexp.MustCompile(`(?i)^if\b`), unexpected, "if",
		"if is written in another way here", `write condition ? "then" : "otherwise"`,
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`unexpected token EOF`), "expression",
		"ends where something has to follow", remedyGrammar,
	},
}

// working are the words that make a text an expression.
var working = regexp.MustCompile(`\b(user|call|org|event|raw|deleted)\b|[("]`)

func expressionFinding(m *mapping.ExpressionError) finding {
	f := finding{
		Finding: connector.Finding{
			Severity: connector.SeverityError, Variable: m.Variable, Object: string(m.Object), Field: m.Field,
			Code: "expression", Message: m.Message, Remedy: remedyGrammar,
		},
		Snippet: strings.TrimPrefix(m.Snippet(), "\n"),
	}
	if m.Line > 0 {
		f.Message = fmt.Sprintf("line %d, column %d: %s", m.Line, m.Column, m.Message)
	}
	if m.Suggestion != "" {
		f.Remedy = "did you mean " + m.Suggestion + "?"
	}
	if m.Suggestion == "" && unexpected.MatchString(m.Message) && !strings.ContainsAny(m.Source, "\"'`") {
		f.Remedy = remedyQuotes + "; " + remedyGrammar // a shell may have taken them away
	}
	for _, s := range slips {
		if s.source.MatchString(m.Source) && (s.message == nil || s.message.MatchString(m.Message)) {
			f.Code, f.Message, f.Remedy = s.code, s.says, s.remedy
			return f
		}
	}
	member := m.Suggestion != "" && strings.Contains(m.Source, ".") // usr.name is no text
	if !member && !working.MatchString(m.Source) && unexpected.MatchString(m.Message) {
		f.unquoted(m)
	}
	return f
}

// unquoted says of an expression that it was meant as a text, or as one of the
// names that it comes near to.
func (f *finding) unquoted(m *mapping.ExpressionError) {
	f.Code, f.Message, f.Remedy = "unquoted_text", "is neither a text in quotes nor the name of anything", remedyQuotes
	if m.Suggestion != "" && !strings.ContainsAny(m.Source, " -") {
		f.Remedy = "did you mean " + m.Suggestion + "? If it is meant as a text: " + remedyQuotes
	}
}
