package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crmsync/state/bolt"
)

// TestOpen_saysWhatIsWrongWithThePath meets what needs no other user.
func TestOpen_saysWhatIsWrongWithThePath(t *testing.T) {
	tests := []struct {
		name string
		path func(dir string) (string, error)
		want string
	}{
		{"the directory is missing", func(dir string) (string, error) {
			return dir + "/data/state.db", nil
		}, "cannot be made, the directory DIR/data does not exist: make it, mount a volume there"},
		{"the path is a directory", func(dir string) (string, error) {
			return dir, nil
		}, "is a directory: set CRMSYNC_STATE to a file in it, such as DIR/crmsync.db"},
		{"the directory is a file", func(dir string) (string, error) {
			return dir + "/file/state.db", os.WriteFile(dir+"/file", nil, 0o600)
		}, "cannot be there, DIR/file is not a directory"},
		{"the link leads nowhere", func(dir string) (string, error) {
			return dir + "/link", os.Symlink(dir+"/volume/state.db", dir+"/link")
		}, "is a link to a file that does not exist: mount the volume"},
		{"the path is a device", func(string) (string, error) { return os.DevNull, nil }, "is not a regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path, err := tt.path(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, err = bolt.Open(path, bolt.Options{})
			want := "state file " + path + " " + strings.ReplaceAll(tt.want, "DIR", dir)
			if _, ok := errors.AsType[*bolt.FileError](err); !ok || !strings.Contains(err.Error(), want) {
				t.Errorf("\n got %v\nwant %s", err, want)
			}
			if made, _ := filepath.Glob(dir + "/*.new"); len(made) > 0 {
				t.Errorf("left %v behind", made)
			}
		})
	}
}

func TestOpen_findsTheFileThroughALink(t *testing.T) {
	path := filled(t)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	s := open(t, link, bolt.Options{})
	defer closeClean(t, s)
	if _, err := s.Event(t.Context(), "evt-a"); err != nil {
		t.Error(err)
	}
}
