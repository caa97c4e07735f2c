package app

import (
	"cmp"
	"fmt"
	"runtime/debug"
)

// version and revision are set by the linker, as the Dockerfile does:
// -ldflags "-X crmsync/connector/app.version=v1.2.3". Without them the binary
// says what the Go command found out.
var version, revision string

// versionCommand prints the version.
type versionCommand struct {
	JSON bool `help:"Print JSON."`
}

// Help implements kong.HelpProvider.
func (*versionCommand) Help() string {
	return `Examples:
  crmsync version
  crmsync version --json                      version, revision of the source, Go release`
}

// versionView is the JSON of version.
type versionView struct {
	Version  string `json:"version"`
	Revision string `json:"revision"` // of the source; "" when unknown
	Go       string `json:"go"`
}

// Run prints the version, the commit and the Go release.
func (c *versionCommand) Run(s *session) error {
	v := buildVersion()
	if c.JSON {
		return printJSON(s.stdout, v)
	}
	_, err := fmt.Fprintln(s.stdout, v.text())
	return err
}

func (v versionView) text() string {
	text := "crmsync " + v.Version
	if v.Revision != "" {
		text += " (" + v.Revision + ")"
	}
	return text + ", " + v.Go
}

func buildVersion() versionView {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versionView{Version: cmp.Or(version, "unknown"), Revision: revision}
	}
	v := versionView{Version: cmp.Or(version, info.Main.Version, "unknown"), Revision: revision, Go: info.GoVersion}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Revision = cmp.Or(revision, setting.Value)
		}
	}
	return v
}
