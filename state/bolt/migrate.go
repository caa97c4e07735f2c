package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// step brings a file to the next format version.
type step func(*tables) error

// steps[0] brings a file from format version 1 to 2, and so on. A step must not
// depend on what later releases make of the types here.
var steps []step

// formatAfter is the format version of a file after the steps.
func formatAfter(steps []step) int { return len(steps) + 1 }

// migrate brings a file of an older format up to date in one transaction, once
// there is a backup. The backup of a step that fails goes: the file is as it
// was, and would be copied again at every start.
func migrate(db *bbolt.DB, path string, o Options) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = damaged(path, fmt.Sprint(r))
		}
	}()
	from, err := checkFormat(db, path, o)
	if err != nil || from == formatAfter(o.steps) {
		return err
	}
	backup, err := backUp(db, path, from)
	if err != nil {
		return fmt.Errorf("back up state before it is converted: %w", err)
	}
	converted := false
	err = db.Update(func(tx *bbolt.Tx) error {
		err := convert(newTables(tx), from, o.steps)
		converted = err == nil
		return err
	})
	switch {
	case err == nil:
		return nil
	case converted: // what a commit that failed has written is not known
		return fmt.Errorf("convert state file %s, %s is as it was: %w", path, backup, err)
	}
	return fmt.Errorf("convert state file %s from format version %d to %d, it is as it was: %w",
		path, from, formatAfter(o.steps), errors.Join(err, os.Remove(backup)))
}

// checkFormat returns the format version of the file, and refuses what another
// program or a newer release wrote.
func checkFormat(db *bbolt.DB, path string, o Options) (version int, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		version, err = formatOf(path, newTables(tx))
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case version > formatAfter(o.steps):
		return 0, &VersionError{Path: path, Found: version, Supported: formatAfter(o.steps)}
	case version < formatAfter(o.steps) && o.ReadOnly:
		return 0, &FileError{
			Path: path, Problem: fmt.Sprintf("has format version %d, this release works with %d", version, formatAfter(o.steps)),
			Remedy: "start crmsync serve on it once, which makes a backup and converts it, or use the release that wrote it",
		}
	}
	return version, nil
}

func convert(t *tables, from int, steps []step) error {
	for _, step := range steps[from-1:] {
		if err := step(t); err != nil {
			return err
		}
	}
	format, err := encode(formatBody{Program: program, Version: formatAfter(steps)})
	t.fail(err)
	t.put(singleton, keyFormat, format)
	return t.err
}

// backUp writes a copy beside the file, which has passed the page check before
// it gets its name.
func backUp(db *bbolt.DB, path string, version int) (name string, err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*.new")
	if err != nil {
		return "", refused(path, dir, err)
	}
	defer os.Remove(tmp.Name())
	err = db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(tmp)
		return err
	})
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return "", refused(path, dir, err)
	}
	if err := checkFile(path, tmp.Name()); err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		name = fmt.Sprintf("%s.v%d.bak", path, version)
		if n > 1 {
			name = fmt.Sprintf("%s.v%d-%d.bak", path, version, n)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) { // we hold the lock: nobody else makes it
			return name, errors.Join(os.Rename(tmp.Name(), name), syncDir(dir))
		} else if err != nil {
			return "", err
		}
	}
}

// checkFile looks at the pages of the file called name: the state at path, or a
// copy of it, whose pages are damaged when those of the state are.
func checkFile(path, name string) error {
	v := new(verifier)
	if err := walkPages(context.Background(), name, v.addPage); err != nil {
		return err
	}
	if len(v.findings) > 0 {
		return damaged(path, v.findings[0].Message)
	}
	return nil
}
