package app

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestHelp_ShowsExamplesThatWork parses every example in the help of every
// command with the real grammar.
func TestHelp_ShowsExamplesThatWork(t *testing.T) {
	parser, err := newParser(&session{stdout: t.Output(), stderr: t.Output()}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(true)
	if len(leaves) < 10 {
		t.Fatalf("there are %d commands", len(leaves))
	}
	for _, command := range leaves {
		t.Run(command.Path(), func(t *testing.T) {
			own := 0
			for _, example := range examplesOf(command.Detail) {
				parsed, err := parser.Parse(example)
				if err != nil {
					t.Errorf("%q: %v", example, err)
				} else if parsed.Selected() == command {
					own++
				}
			}
			if own == 0 {
				t.Errorf("has no examples: %q", command.Detail)
			}
		})
	}
}

// TestHelp_ReadmeNamesEveryCommand keeps the table of commands complete.
func TestHelp_ReadmeNamesEveryCommand(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Commands\n")
	section, _, _ = strings.Cut(section, "\n## ")
	parser, err := newParser(&session{stdout: t.Output(), stderr: t.Output()}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(true) {
		if !regexp.MustCompile("`crmsync " + command.Path() + "[ `]").MatchString(section) {
			t.Errorf("there is no crmsync %s", command.Path())
		}
	}
}

var (
	exampleLine = regexp.MustCompile(`^ +(?:[A-Z_]+=\S+ |cat \S+ \| )?crmsync(.*)$`)
	// exampleEnd is where the shell or the explanation of an example begins.
	exampleEnd = regexp.MustCompile(`   *|$| \| .*| > .*`)
	word       = regexp.MustCompile(`"[^"]*"|\S+`)
)

// examplesOf returns the arguments of the commands in a help text.
func examplesOf(help string) [][]string {
	var examples [][]string
	for line := range strings.Lines(help) {
		match := exampleLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if match == nil {
			continue
		}
		command := match[1]
		if end := exampleEnd.FindStringIndex(command); end != nil {
			command = command[:end[0]]
		}
		args := word.FindAllString(command, -1)
		for i := range args {
			args[i] = strings.Trim(args[i], `"`)
		}
		examples = append(examples, args)
	}
	return examples
}
