package config

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fence matches a block of code in Markdown, also one inside a list.
var fence = regexp.MustCompile("(?ms)^( *)```(\\w+)\n(.*?)^ *```$")

// blocks returns the blocks of code of one language in the README.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range fence.FindAllStringSubmatch(string(readme), -1) {
		if m[2] == language {
			out = append(out, strings.ReplaceAll("\n"+m[3], "\n"+m[1], "\n")[1:])
		}
	}
	return out
}

// shellLoader returns what the README tells to type to load crmsync.env.
func shellLoader(t *testing.T) string {
	t.Helper()
	for _, block := range blocks(t, "sh") {
		if strings.HasPrefix(block, "while read ") {
			return block
		}
	}
	t.Fatal("README.md shows no loop that loads crmsync.env")
	return ""
}

// loadedByShell returns what the loader of the README makes of a file.
func loadedByShell(t *testing.T, file string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "crmsync.env"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-euc", shellLoader(t)+"env")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	loaded := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if strings.HasPrefix(name, prefix) {
			loaded[name] = strings.TrimSpace(value)
		}
	}
	return loaded
}

// loadedAsItIs returns what docker makes of a file, without the blanks around a
// value, which do not count.
func loadedAsItIs(t *testing.T, file string) map[string]string {
	t.Helper()
	lines, err := ParseEnvFile(file)
	if err != nil {
		t.Fatalf("%v in\n%s", err, file)
	}
	for name, value := range lines {
		lines[name] = strings.TrimSpace(value)
	}
	return lines
}

// TestDocuments_LoadInAShellAsInAContainer loads everything that the documents
// show of environment files, and what people may make of it.
func TestDocuments_LoadInAShellAsInAContainer(t *testing.T) {
	example, err := os.ReadFile("../../config.example.env")
	if err != nil {
		t.Fatal(err)
	}
	files := append(blocks(t, "ini"),
		strings.ReplaceAll(string(example), "\n#CRMSYNC_", "\nCRMSYNC_"),
		"  # indented\n\n\t CRMSYNC_A= b \r\nCRMSYNC_B='single' \"double\" `touch x` $(touch x) $HOME \\n \\\nCRMSYNC_C=*?~;&|<>#!(x)[y]{z}\nCRMSYNC_LAST=no line end",
	)
	if len(files) < 15 {
		t.Fatalf("the documents show %d files", len(files))
	}
	for _, file := range files {
		got, want := loadedByShell(t, file), loadedAsItIs(t, file)
		if len(want) == 0 || !maps.Equal(got, want) {
			t.Errorf("got %q, want %q of\n%s", got, want, file)
		}
	}
}

// TestExample_LoadsAsTheReadmeSays compares the loops of the two documents.
func TestExample_LoadsAsTheReadmeSays(t *testing.T) {
	head := strings.Join(strings.Fields(strings.ReplaceAll(exampleHead, "#   ", "")), " ")
	if loop := strings.Join(strings.Fields(shellLoader(t)), " "); !strings.Contains(head, loop) {
		t.Errorf("the example file does not show %s", loop)
	}
}
