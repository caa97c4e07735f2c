package bolt

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crmsync/state"
)

var errStep = errors.New("the step does not work")

// Steps of formats that do not exist.
func addBucket(t *tables) error {
	_, err := t.tx.CreateBucket([]byte("extra"))
	return err
}

func putExtra(t *tables) error {
	t.put("extra", []byte("k"), []byte("v"))
	return nil
}

func failing(t *tables) error {
	t.delete(inbox, seqKey(1))
	return errStep
}

// olderFile returns a closed state of format version 1 with an event, and its
// content.
func olderFile(t *testing.T) (path string, content []byte) {
	t.Helper()
	s := openTest(t, Options{})
	m := message("a")
	m.Body = make([]byte, 1<<13) // too large to stand beside the bucket's name
	rand.Read(m.Body)
	if _, err := s.Accept(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s.path, readFile(t, s.path)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// besides returns the names of what stands beside the file.
func besides(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestMigrate_ConvertsOnceAfterABackup(t *testing.T) {
	path, _ := olderFile(t)
	kept := path + ".v1.bak"
	if err := os.WriteFile(kept, []byte("of somebody"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one finds nothing to do
		s, err := Open(path, Options{steps: []step{addBucket, putExtra}})
		if err != nil {
			t.Fatal(err)
		}
		err = s.view(t.Context(), func(t *tables) error {
			if string(t.get("extra", []byte("k"))) != "v" {
				return errors.New("the steps were not taken")
			}
			return nil
		})
		_, found := s.Event(t.Context(), "evt-a")
		if err := errors.Join(err, found, s.Close()); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(besides(t, path), " "); got != "state.db.v1-2.bak state.db.v1.bak" {
		t.Errorf("beside the file: %s", got)
	}
	if string(readFile(t, kept)) != "of somebody" {
		t.Error("a file that was there was overwritten")
	}
	if _, err := Open(path, Options{}); !isVersion(err, 3, 1) {
		t.Errorf("an older release: %v", err)
	}
	backup := path + ".v1-2.bak"
	if findings, err := VerifyFile(t.Context(), backup); err != nil || len(findings) > 0 {
		t.Errorf("the backup: %v %v", findings, err)
	}
	s, err := Open(backup, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Event(t.Context(), "evt-a"); err != nil {
		t.Errorf("the backup: %v", err)
	}
}

func isVersion(err error, found, supported int) bool {
	v, ok := errors.AsType[*VersionError](err)
	return ok && v.Found == found && v.Supported == supported
}

func TestMigrate_AStepThatFailsChangesNothing(t *testing.T) {
	path, before := olderFile(t)
	for range 2 {
		_, err := Open(path, Options{steps: []step{addBucket, failing}})
		if !errors.Is(err, errStep) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v", err)
		}
	}
	if !bytes.Equal(readFile(t, path), before) {
		t.Error("the file was changed")
	}
	if left := besides(t, path); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMigrate_WithoutABackupNothingHappens(t *testing.T) {
	path, _ := olderFile(t)
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	damagePage(t, s)
	before := readFile(t, path)
	_, err = Open(path, Options{steps: []step{addBucket}})
	if _, ok := errors.AsType[*FileError](err); !ok || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
	if left := besides(t, path); !bytes.Equal(readFile(t, path), before) || len(left) > 0 {
		t.Errorf("the file was changed, or left behind: %v", left)
	}
}

// damagePage closes s and makes the page of the payloads say that it is another
// one.
func damagePage(t *testing.T, s *Store) {
	t.Helper()
	var offset int64
	err := s.view(t.Context(), func(t *tables) error {
		offset = int64(t.bucket(bodies).Root()) * int64(s.db.Info().PageSize)
		return nil
	})
	if offset == 0 {
		t.Fatal("the payloads have no page")
	}
	f, openErr := os.OpenFile(s.path, os.O_RDWR, 0)
	if err := errors.Join(err, s.Close(), openErr); err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{0xff}, offset)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestMigrate_ReadersSayWhatToDo(t *testing.T) {
	path, before := olderFile(t)
	_, err := Open(path, Options{ReadOnly: true, steps: []step{addBucket}})
	if _, ok := errors.AsType[*FileError](err); !ok || !strings.Contains(err.Error(), "start crmsync serve on it once") {
		t.Errorf("got %v", err)
	}
	if left := besides(t, path); !bytes.Equal(readFile(t, path), before) || len(left) > 0 {
		t.Errorf("the file was changed, or left behind: %v", left)
	}
}

// What a later release adds without a new format version does not disturb this
// one: keys, buckets, and members of what is stored.
func TestOpen_PassesOverWhatItDoesNotKnow(t *testing.T) {
	s := openTest(t, Options{})
	contact := state.Lane{Object: "contact", Key: "a"}
	later, err := encode(map[int]any{1: "901", 99: "later"})
	if err != nil {
		t.Fatal(err)
	}
	add := func(g *group) error {
		g.put(links, laneKey(contact), later)
		g.sums.countMapped(&state.Link{Lane: contact, RemoteID: "901"}, 1)
		g.put(singleton, []byte("later"), []byte("x"))
		_, err := g.tx.CreateBucket([]byte("later"))
		return err
	}
	if errs := inOneGroup(s, accepting(s, "a"), add); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(s.path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found, err := s.Links(t.Context(), contact)
	if err != nil || found[contact].RemoteID != "901" {
		t.Errorf("link: %+v %v", found, err)
	}
	if findings, err := s.Verify(t.Context()); err != nil || len(findings) > 0 {
		t.Errorf("verify: %v %v", findings, err)
	}
}
