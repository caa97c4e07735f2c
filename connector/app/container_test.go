package app_test

import (
	"fmt"
	"go/version"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// containerUser is the uid and gid that every description of the container
// has to agree on.
const containerUser = 65532

// containerState is the volume of the image.
const containerState = "/data"

func TestContainer_DockerfileBases(t *testing.T) {
	stages := readDockerfile(t)
	if len(stages) != 2 || stages[0].name != "build" || stages[1].base != "scratch" {
		t.Fatalf("stages %+v, want a build and a final one from scratch", stages)
	}
	pinned := regexp.MustCompile(`^golang:(1\.\d+\.\d+)$`).FindStringSubmatch(stages[0].base)
	if pinned == nil {
		t.Fatalf("the build is from %s, want a full version of golang", stages[0].base)
	}
	gomod, err := os.ReadFile(root + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	needed := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(string(gomod))
	if version.Compare("go"+pinned[1], "go"+needed[1]) < 0 {
		t.Errorf("the build is with Go %s, go.mod wants %s", pinned[1], needed[1])
	}
}

func TestContainer_DockerfileFinalStage(t *testing.T) {
	final := readDockerfile(t)[1]
	if got, want := final.only(t, "USER").text, fmt.Sprintf("%d:%[1]d", containerUser); got != want {
		t.Errorf("USER %s, want %s: a name cannot be proved not to be root", got, want)
	}
	for name, want := range map[string]string{"VOLUME": containerState, "WORKDIR": containerState, "EXPOSE": "8080"} {
		if got := final.only(t, name).text; got != want {
			t.Errorf("%s %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string][]string{"ENTRYPOINT": {"/crmsync"}, "CMD": {"serve"}} {
		if got := final.only(t, name); !got.exec || !slices.Equal(got.args, want) {
			t.Errorf("%s %s, want the exec form of %v: there is no shell", name, got.text, want)
		}
	}
	env := final.assigned("ENV")
	if path.Dir(env["CRMSYNC_STATE"]) != containerState || env["TMPDIR"] != containerState {
		t.Errorf("ENV %v: state and temporary files belong on the volume", env)
	}
	labels := final.assigned("LABEL")
	for _, name := range []string{"title", "description", "licenses", "version", "revision"} {
		if labels["org.opencontainers.image."+name] == "" {
			t.Errorf("no label %s in %v", name, labels)
		}
	}
	if n := len(final.all("RUN")); n > 0 {
		t.Errorf("%d RUN from scratch, where nothing can run", n)
	}
}

func TestContainer_DockerfileHealthcheck(t *testing.T) {
	check := readDockerfile(t)[1].only(t, "HEALTHCHECK")
	if check.text != `CMD ["/crmsync", "health"]` {
		t.Errorf("HEALTHCHECK %s", check.text)
	}
	timeout, err := time.ParseDuration(check.flag("timeout"))
	if err != nil || timeout <= 4*time.Second {
		t.Errorf("time-out %s %v: health itself takes up to 4 s to say what is wrong", timeout, err)
	}
}

// TestContainer_DockerfileVolumeOwner makes sure that the directory of the
// volume belongs to the user before it becomes a volume: what comes after
// VOLUME is discarded.
func TestContainer_DockerfileVolumeOwner(t *testing.T) {
	final := readDockerfile(t)[1]
	owned := slices.IndexFunc(final.steps, func(i instruction) bool {
		return i.name == "COPY" && i.args[len(i.args)-1] == containerState && i.flag("chown") == fmt.Sprintf("%d:%[1]d", containerUser)
	})
	volume := slices.IndexFunc(final.steps, func(i instruction) bool { return i.name == "VOLUME" })
	if owned < 0 || owned > volume {
		t.Errorf("%s is given to the user at step %d, becomes a volume at step %d", containerState, owned, volume)
	}
}

// dockerIgnored returns what keeps files out of the build context.
func dockerIgnored(t *testing.T) *patternmatcher.PatternMatcher {
	t.Helper()
	file, err := os.Open(root + "/.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return matcher
}

func TestContainer_ContextHoldsNoSecrets(t *testing.T) {
	ignored := dockerIgnored(t)
	for name, want := range map[string]bool{
		".git/config": true, ".env": true, "crmsync.env": true, "secrets/hubspot-token": true, "crmsync.db": true,
		"state/crmsync.db": true, "state/crmsync.db.lock": true, "crmsync": true, "README.md": true,
		"connector/app/container_test.go": true, "connector/testdata/vectors.json": true,
		"go.mod": false, "main.go": false, "crm/hubspot/preset.env": false, "connector/app/demo/org.updated.json": false,
	} {
		got, err := ignored.MatchesOrParentMatches(filepath.FromSlash(name))
		if err != nil || got != want {
			t.Errorf("%s is ignored: %t %v, want %t", name, got, err, want)
		}
	}
}

// readmeBlock returns the YAML in the README whose first line is # title.
func readmeBlock(t *testing.T, title string) string {
	t.Helper()
	readme, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "```yaml\n# "+title+"\n")
	block, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("README.md shows no %s", title)
	}
	return block
}
