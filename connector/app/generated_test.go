package app

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"testing"

	"crmsync/connector/config"
)

var update = flag.Bool("update", false, "write the generated files")

// TestGenerated_ConfigExample fails when config.example.env is stale; go test
// ./connector/app -run Generated -update writes it.
func TestGenerated_ConfigExample(t *testing.T) {
	checkGenerated(t, "../../config.example.env", config.Example(offered()))
}

// TestGenerated_ReadmeTable does the same for the table in the README.
func TestGenerated_ReadmeTable(t *testing.T) {
	const path = "../../README.md"
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.Readme(string(readme), offered())
	if err != nil {
		t.Fatal(err)
	}
	checkGenerated(t, path, want)
}

func checkGenerated(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: go test ./connector/app -run Generated -update", path)
	}
}
