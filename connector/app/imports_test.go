package app_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "crmsync"
	root   = "../.."
)

// importRules says which packages of ours a package may import: imports point one
// way. A name that ends with /* stands for every package below. The first line
// that matches a package decides.
var importRules = []struct{ pkg, may string }{
	{".", "connector/app"},
	{"connector/app", "connector connector/config connector/app/* mapping crm crm/* state state/*"},
	{"connector/app/*", ""},
	{"connector/config", "mapping crm state"},
	{"connector", "mapping crm state"},
	{"mapping", "crm"},
	{"crm", ""},
	{"crm/internal/transport", "crm"},
	{"crm/crmtest", "crm"},
	{"crm/sandbox/apispec", "crm/sandbox"},
	{"crm/*", "crm crm/internal/transport"},
	{"state", ""},
	{"state/*", "state"},
}

// testSupport is what tests may import beside that: suites, doubles and real
// implementations to run against. Adapters still do not import each other,
// except for the sandbox, which stands for a CRM.
const testSupport = "crm/crmtest crm/sandbox crm/sandbox/apispec state/statetest state/bolt"

// libraryOwners names the only package that may import a library.
var libraryOwners = map[string]string{
	"github.com/kelseyhightower/envconfig":  "connector/config",
	"go.etcd.io/bbolt":                      "state/bolt",
	"github.com/hashicorp/go-retryablehttp": "crm/internal/transport",
}

// bareServerFile holds what the speed of the program is compared with: it uses a
// library as the program does, without the program.
const bareServerFile = "connector/app/speed_accept_test.go"

// environmentOwner is the only package that may read the environment.
const environmentOwner = "connector/config"

// topLevel is everything that may lie beside go.mod, dot-files apart.
var topLevel = []string{
	"main.go", "connector", "mapping", "crm", "state",
	"config.example.env", "Dockerfile", "go.mod", "go.sum", "README.md", "LICENSE",
}

// source is one Go file.
type source struct {
	name string // path below the root, with slashes
	test bool
	tree *ast.File
}

func (s source) pkg() string { return path.Dir(s.name) }

// imports returns the paths that the file imports.
func (s source) imports() []string {
	var out []string
	for _, spec := range s.tree.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			out = append(out, p)
		}
	}
	return out
}

func parseModule(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && skipped(d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		out = append(out, source{filepath.ToSlash(below), strings.HasSuffix(name, "_test.go"), tree})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("found only %d Go files below %s", len(out), root)
	}
	return out
}

// skipped says whether the go command ignores a directory too.
func skipped(dir string) bool {
	return dir == "testdata" || dir == "node_modules" || strings.HasPrefix(dir, ".") || strings.HasPrefix(dir, "_")
}

func TestImports_PointOneWay(t *testing.T) {
	for _, s := range parseModule(t) {
		for _, imported := range s.imports() {
			target, ours := strings.CutPrefix(imported, module+"/")
			if !ours || target == s.pkg() {
				continue
			}
			if !mayImport(s.pkg(), target, s.test) {
				t.Errorf("%s imports %s: see importRules", s.name, imported)
			}
		}
	}
}

func mayImport(pkg, target string, test bool) bool {
	for _, rule := range importRules {
		if matches(rule.pkg, pkg) {
			return anyMatches(rule.may, target) || test && anyMatches(testSupport, target)
		}
	}
	return false
}

func anyMatches(patterns, pkg string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(p string) bool { return matches(p, pkg) })
}

func matches(pattern, pkg string) bool {
	if above, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(pkg, above+"/")
	}
	return pattern == pkg
}

func TestMayImport(t *testing.T) {
	for _, tt := range []struct {
		pkg, target string
		test, want  bool
	}{
		{"connector", "crm", false, true},
		{"connector", "crm/hubspot", false, false},
		{"connector", "connector/app", true, false},
		{"connector", "state/bolt", true, true},
		{"crm/hubspot", "crm/internal/transport", false, true},
		{"crm/hubspot", "crm/sandbox", false, false},
		{"crm/hubspot", "crm/sandbox", true, true},
		{"crm/salesforce", "crm/hubspot", true, false},
		{"crm", "crm/hubspot", false, false},
		{"mapping", "state", true, false},
		{"nowhere", "crm", false, false},
	} {
		if got := mayImport(tt.pkg, tt.target, tt.test); got != tt.want {
			t.Errorf("mayImport(%s, %s, test %t) = %t", tt.pkg, tt.target, tt.test, got)
		}
	}
}

func TestImports_LibrariesHaveOneOwner(t *testing.T) {
	used := map[string]bool{}
	for _, s := range parseModule(t) {
		for _, imported := range s.imports() {
			for library, owner := range libraryOwners {
				if imported != library && !strings.HasPrefix(imported, library+"/") {
					continue
				}
				used[library] = true
				if s.pkg() != owner && s.name != bareServerFile {
					t.Errorf("%s imports %s, which belongs to %s", s.name, imported, owner)
				}
			}
		}
	}
	for library, owner := range libraryOwners {
		if !used[library] {
			t.Errorf("%s does not import %s: the rule is out of date", owner, library)
		}
	}
}

func TestEnvironment_IsReadInOnePlace(t *testing.T) {
	readers := []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}
	found := 0
	for _, s := range parseModule(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(readers, call.Sel.Name) {
				return true
			}
			if of, ok := call.X.(*ast.Ident); !ok || (of.Name != "os" && of.Name != "syscall") {
				return true
			}
			found++
			if s.pkg() != environmentOwner {
				t.Errorf("%s reads the environment, which only %s does", s.name, environmentOwner)
			}
			return true
		})
	}
	if found == 0 {
		t.Errorf("found no reader in %s: the test does not see them", environmentOwner)
	}
}

func TestTopLevel_IsFixed(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	ignored := ignoredPatterns(t)
	for _, e := range entries {
		name := e.Name()
		matchesName := func(pattern string) bool { ok, _ := path.Match(pattern, name); return ok }
		if strings.HasPrefix(name, ".") || slices.Contains(topLevel, name) || slices.ContainsFunc(ignored, matchesName) {
			continue
		}
		t.Errorf("%s does not belong at the top level", name)
	}
}

// ignoredPatterns returns the lines of .gitignore: what a build or a trial run
// leaves behind.
func ignoredPatterns(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	for i := range lines {
		lines[i] = strings.Trim(lines[i], "/")
	}
	return lines
}
