package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dockerfile is a Dockerfile cut into its stages, in order. The form that is
// understood is the one that ours uses: no here-documents, no other escape
// character.
type dockerfile []stage

// stage is what begins with a FROM.
type stage struct {
	base, name string
	steps      []instruction
}

// instruction is one instruction: NAME --flag=value args.
type instruction struct {
	name  string
	flags []string
	text  string   // behind the flags
	args  []string // members of a JSON array (exec form), else words
	exec  bool     // args are from a JSON array
}

var knownInstructions = strings.Fields("ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN USER VOLUME WORKDIR")

// readDockerfile parses the Dockerfile of this repository.
func readDockerfile(t *testing.T) dockerfile {
	t.Helper()
	text, err := os.ReadFile(root + "/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parseDockerfile(string(text))
	if err != nil {
		t.Fatalf("Dockerfile: %v", err)
	}
	return parsed
}

func parseDockerfile(text string) (dockerfile, error) {
	var out dockerfile
	var logical strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		part, more := strings.CutSuffix(line, `\`)
		logical.WriteString(part)
		if more {
			continue
		}
		i, err := parseInstruction(logical.String())
		if err != nil {
			return nil, err
		}
		logical.Reset()
		switch {
		case i.name == "FROM" && len(i.args) > 0:
			out = append(out, stage{base: i.args[0], name: i.args[len(i.args)-1]})
		case len(out) == 0:
			return nil, fmt.Errorf("%s before FROM", i.name)
		default:
			last := &out[len(out)-1]
			last.steps = append(last.steps, i)
		}
	}
	if logical.Len() > 0 || len(out) == 0 {
		return nil, fmt.Errorf("ends too early")
	}
	return out, nil
}

func parseInstruction(line string) (instruction, error) {
	name, rest, _ := strings.Cut(line, " ")
	i := instruction{name: name}
	if !slices.Contains(knownInstructions, name) {
		return i, fmt.Errorf("unknown instruction %q", name)
	}
	for rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "--"); rest = strings.TrimSpace(rest) {
		var flag string
		flag, rest, _ = strings.Cut(rest, " ")
		i.flags = append(i.flags, flag)
	}
	if i.text = rest; rest == "" {
		return i, fmt.Errorf("%s without arguments", name)
	}
	if strings.HasPrefix(rest, "[") {
		i.exec = true
		if err := json.Unmarshal([]byte(rest), &i.args); err != nil {
			return i, fmt.Errorf("%s: not an array of texts: %w", name, err)
		}
		return i, nil
	}
	i.args = strings.Fields(rest)
	return i, nil
}

// flag returns the value of --name, "" without one.
func (i instruction) flag(name string) string {
	for _, flag := range i.flags {
		if value, ok := strings.CutPrefix(flag, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// all returns the instructions of a name.
func (s stage) all(name string) []instruction {
	var out []instruction
	for _, i := range s.steps {
		if i.name == name {
			out = append(out, i)
		}
	}
	return out
}

// only returns the one instruction of a name.
func (s stage) only(t *testing.T, name string) instruction {
	t.Helper()
	found := s.all(name)
	if len(found) != 1 {
		t.Fatalf("%d instructions %s from %s, want 1", len(found), name, s.base)
	}
	return found[0]
}

// dockerAssignment is one name=value of ENV or LABEL; the value may be quoted.
var dockerAssignment = regexp.MustCompile(`([A-Za-z0-9_.]+)=("[^"]*"|\S+)`)

// assigned returns what the ENV or LABEL instructions set.
func (s stage) assigned(name string) map[string]string {
	out := map[string]string{}
	for _, i := range s.all(name) {
		for _, m := range dockerAssignment.FindAllStringSubmatch(i.text, -1) {
			out[m[1]] = strings.Trim(m[2], `"`)
		}
	}
	return out
}

func TestContainer_DockerfileParser(t *testing.T) {
	for _, text := range []string{
		"", "RUN true\n", "FROM\n", "FROM a\nRNU true\n", "FROM a\nRUN true \\\n", "FROM a\nCMD [\"a\n",
	} {
		if _, err := parseDockerfile(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	got, err := parseDockerfile("# note\nFROM --platform=p a AS b\nRUN --mount=x=1 \\\n  # why\n  one \\\n  two\nCMD [\"c\", \"d e\"]\nENV A=1 B=\"2 3\"\n")
	if err != nil {
		t.Fatal(err)
	}
	run, cmd, env := got[0].only(t, "RUN"), got[0].only(t, "CMD"), got[0].assigned("ENV")
	switch {
	case got[0].base != "a" || got[0].name != "b":
		t.Errorf("stage %+v", got[0])
	case run.flag("mount") != "x=1" || !slices.Equal(run.args, []string{"one", "two"}) || run.exec:
		t.Errorf("RUN %+v", run)
	case !cmd.exec || !slices.Equal(cmd.args, []string{"c", "d e"}):
		t.Errorf("CMD %+v", cmd)
	case env["A"] != "1" || env["B"] != "2 3":
		t.Errorf("ENV %v", env)
	}
}
