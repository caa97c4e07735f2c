package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"crmsync/state/bolt"
)

// backupCommand copies the state, in use or not.
type backupCommand struct {
	State string `placeholder:"FILE" help:"State file of a running or stopped connector (default: CRMSYNC_STATE)."`
	To    string `arg:"" name:"file" help:"Where to write the copy; it must not exist yet."`
	JSON  bool   `help:"Print JSON."`
}

// backupView is the JSON of state backup.
type backupView struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	OK    bool   `json:"ok"` // the copy is sound: others are not kept
}

// Help implements kong.HelpProvider.
func (*backupCommand) Help() string {
	return `The copy is consistent while the connector runs, is verified before it gets its name, and is a state file of its own.
What a backup that was killed left beside it, the next one there removes.

Examples:
  crmsync state backup /var/backups/crmsync.db
  crmsync state backup "/var/backups/crmsync-$(date +%F).db"     one for each day`
}

// Run leaves either a sound copy or no file.
func (c *backupCommand) Run(s *session) error {
	path, err := statePath(c.State)
	if err != nil {
		return err
	}
	if err := mustNotExist(c.To); err != nil {
		return usage(err)
	}
	size, err := saveCopy(s.ctx, c.To, func(w io.Writer) error { return copyState(s.ctx, path, w) })
	if err != nil {
		return fmt.Errorf("back up %s: %w", path, err)
	}
	if c.JSON {
		return printJSON(s.stdout, backupView{File: c.To, Bytes: size, OK: true})
	}
	_, err = fmt.Fprintf(s.stdout, "%s: %d bytes, verified.\n", c.To, size)
	return err
}

func mustNotExist(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return fmt.Errorf("%s exists already: a backup replaces no file", path)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// saveCopy verifies what write gives and then names it. Until then it has another
// name, so that a backup job that dies leaves nothing that looks like a backup.
func saveCopy(ctx context.Context, to string, write func(io.Writer) error) (size int64, err error) {
	parent := filepath.Dir(to)
	defer func() { err = noCopy(parent, err) }()
	dir, err := newBackupDir(parent)
	if err != nil {
		return 0, err
	}
	defer dir.remove() // with what verifying leaves beside the copy
	part := filepath.Join(dir.path, filepath.Base(to))
	if size, err = writeCopy(part, write); err != nil {
		return 0, err
	}
	v, err := verifyApart(ctx, part)
	if err != nil {
		return 0, fmt.Errorf("verify the copy: %w", err)
	}
	if !v.OK {
		first := v.Findings[0]
		return 0, fmt.Errorf("the copy is not sound and was removed: %s: %s; crmsync state verify tells more", first.Code, printable(first.Message))
	}
	if err := place(part, to); err != nil {
		return 0, err
	}
	return size, syncDir(parent)
}

// place gives the file part the name to, unless another backup was faster.
func place(part, to string) error {
	if err := os.Link(part, to); err == nil {
		return os.Remove(part)
	}
	if err := mustNotExist(to); err != nil {
		return err
	}
	return os.Rename(part, to) // a file system without hard links
}

// copyMode keeps the copy, which holds what the webhooks said of people, to
// the user who made it.
const copyMode fs.FileMode = 0o600

// writeCopy returns once a copy of the state is on stable storage.
func writeCopy(to string, write func(io.Writer) error) (size int64, err error) {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, copyMode)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := write(f); err != nil {
		return 0, err
	}
	if size, err = f.Seek(0, io.SeekEnd); err != nil {
		return 0, err
	}
	return size, f.Sync()
}

// copyState asks the connector that runs on the file; a stopped file is read
// here, and not through the API, which would hold it in memory.
func copyState(ctx context.Context, path string, w io.Writer) (err error) {
	client, err := dialConnector(ctx, path)
	if err != nil {
		return err
	}
	if client != nil {
		defer client.Close()
		return client.download(ctx, "/api/v1/state/backup", w)
	}
	if _, err := stateInfo(path); err != nil {
		return err
	}
	store, err := bolt.Open(path, bolt.Options{ReadOnly: true, CheckPages: true})
	if err != nil {
		return unanswered(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.Backup(ctx, w)
}

// syncDir puts the name of a new file on stable storage.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
