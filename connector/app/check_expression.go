package app

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"crmsync/connector"
	"crmsync/mapping"
)

const remedyGrammar = "crmsync config --example explains expressions; https://expr-lang.org/docs/language-definition all of them"

// slip is a mistake that people make who do not know the language, and what to
// tell them instead of what its parser says.
type slip struct {
	source  *regexp.Regexp // what the expression looks like
	message *regexp.Regexp // what the parser says; nil for anything
	code    string
	says    string // "" for what the parser says
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
		regexp.MustCompile(`\|\s*\w+\s*$`), regexp.MustCompile(`unexpected token EOF`), "expression",
		"what follows | is a function, and those have parentheses", "write upper(user.name), or user.name | upper()",
	},
	{
		regexp.MustCompile(`\?[^?.:][^:]*$`), regexp.MustCompile(`unexpected token EOF`), "expression",
		"a condition has two results, of which the second is missing", `write condition ? "then" : "otherwise"`,
	},
	{
		regexp.MustCompile(`\b(AND|OR|NOT)\b`), unexpected, "expression",
		"has AND, OR or NOT in capitals", "write and, or, not",
	},
	{
		regexp.MustCompile(`[^&]&[^&]`), unexpected, "expression",
		"& is none of the language", "texts are joined with +, conditions with and",
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`unexpected token EOF`), "expression",
		"ends where something has to follow", remedyGrammar,
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`has no method`), "expression",
		"", "functions stand in front: upper(user.name), not user.name.upper()",
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`a comparison is written ==`), "expression",
		"", `for example user.role == "Manager"`,
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`invalid operation: (\|\||or) `), "expression",
		"", "that joins conditions; what stands for a value that is missing is behind ??, such as user.role ?? \"\"",
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`invalid operation: (&&|and) `), "expression",
		"", "that joins conditions; texts are joined with +",
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`invalid operation: \+ .*(string and number|number and string)`), "expression",
		"", "make a text of the number: string(user.streak)",
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`invalid operation: .*(string and number|number and string)`), "expression",
		"", `compare like with like: a text is in quotes and a number is not; float(…) makes a number of a text`,
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`cannot concat`), "expression",
		"joins lists, not texts", `texts are joined with +, such as "Practice: " + call.title`,
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`array elements can only be selected`), "expression",
		"is about a list, of which an element has to be chosen",
		`choose one, such as call.analysis[0].score, or all of them: map(call.analysis, .score)`,
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`gives a list of objects`), "expression",
		"", "transcript(call) and scorecard(call) make a text of all, map(call.prospects, .name) a list of one member",
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
	} else if m.Names != nil {
		f.Remedy = "the members are " + strings.Join(m.Names, ", ") + "; what else the payload holds is in raw"
	}
	if m.Suggestion == "" && unexpected.MatchString(m.Message) && !strings.ContainsAny(m.Source, "\"'`") {
		f.Remedy = connector.RemedyQuotes + "; " + remedyGrammar // a shell may have taken them away
	}
	if mapping.Unwrapped(m.Source) {
		f.Code, f.Message = connector.CodeLiteralQuotes, "all of the value is in quotes, which become part of the expression"
		f.Remedy = "take the outer pair away, so that the value begins with the expression itself"
		return f
	}
	if open := unclosed(m.Source); open != "" && strings.Contains(m.Message, "unexpected token EOF") {
		f.Message, f.Remedy = "a "+open+" is opened and not closed", "put the closing one where it belongs"
		return f
	}
	for _, s := range slips {
		if s.source.MatchString(m.Source) && (s.message == nil || s.message.MatchString(m.Message)) {
			f.Code, f.Message, f.Remedy = s.code, cmp.Or(s.says, f.Message), s.remedy
			return f
		}
	}
	if call := argumentsWrong.FindStringSubmatch(m.Message); call != nil && howToCall[call[1]] != "" {
		f.Remedy = "write " + howToCall[call[1]]
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
	f.Code, f.Message, f.Remedy = "unquoted_text", "is neither a text in quotes nor the name of anything", connector.RemedyQuotes
	if m.Suggestion != "" && !strings.ContainsAny(m.Source, " -") {
		f.Remedy = "did you mean " + m.Suggestion + "? If it is meant as a text: " + connector.RemedyQuotes
	}
}

// unclosed names what is opened more often than closed, "" for nothing.
func unclosed(source string) string {
	for _, pair := range []struct{ open, shut, name string }{
		{"(", ")", "parenthesis ("}, {"[", "]", "bracket ["}, {"{", "}", "brace {"},
	} {
		if strings.Count(source, pair.open) > strings.Count(source, pair.shut) {
			return pair.name
		}
	}
	return ""
}

// argumentsWrong names the function that was given too little, too much or
// something else.
var argumentsWrong = regexp.MustCompile(`to call (\w+)`)

// howToCall shows how our functions are called.
var howToCall = map[string]string{
	"firstName": "firstName(user.name)", "lastName": "lastName(user.name)", "owner": "owner(user.email)",
	"scorecard": "scorecard(call)", "scorecardHTML": "scorecardHTML(call) or scorecardHTML(call, 65536)",
	"transcript": "transcript(call)", "transcriptHTML": "transcriptHTML(call) or transcriptHTML(call, 65536)",
	"averageScore": "averageScore(call)", "durationMillis": "durationMillis(call)", "durationSeconds": "durationSeconds(call)",
	"unixMillis": "unixMillis(call.createdAt)", "isoDate": "isoDate(call.createdAt)", "isoTime": "isoTime(call.createdAt)",
	"truncate": "truncate(user.name, 40)", "lower": "lower(user.role)", "upper": "upper(user.role)",
	"join": `join(call.analysis[0].products, ", ")`,
}
