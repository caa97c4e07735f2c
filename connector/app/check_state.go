package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/state"
	"crmsync/state/bolt"
)

// lockPatience is short: a connector that runs on the file has looked at it.
const lockPatience = 200 * time.Millisecond

// stateFinding is about the state file.
func stateFinding(message, remedy string) []finding {
	return []finding{{Finding: connector.Finding{
		Severity: connector.SeverityError, Variable: "CRMSYNC_STATE", Code: "state", Message: message, Remedy: remedy,
	}}}
}

// checkStatePath looks whether the state file can be there. It opens nothing:
// serve is about to.
func checkStatePath(path string) []finding {
	if path == "" {
		return nil // a problem already
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return stateFinding("names something that is not a file", "name a file, which crmsync makes")
	case err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return nil
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return stateFinding("is in a directory that does not exist", "make the directory or mount the volume there")
	}
	return nil
}

// checkStateFile looks whether an existing state file can be used, and what it
// is bound to. One that a connector has open is left alone.
func checkStateFile(ctx context.Context, path string) (*state.Binding, []finding) {
	store, err := bolt.Open(path, bolt.Options{ReadOnly: true, LockTimeout: lockPatience, CheckPages: true})
	_, locked := errors.AsType[*bolt.LockedError](err)
	switch {
	case locked:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist): // serve will make it
		return nil, unusable(bolt.CheckAccess(path))
	case err != nil:
		return nil, unusable(err)
	}
	defer store.Close()
	stats, err := store.Stats(ctx)
	if err != nil {
		return nil, damaged(stateFinding(err.Error(), "run crmsync state verify"))
	}
	return stats.Binding, unusable(bolt.CheckAccess(path))
}

// unusable tells why serve would not take the state file, if err is not nil.
func unusable(err error) []finding {
	if err == nil {
		return nil
	}
	found := stateFinding(err.Error(), "")
	if e, ok := errors.AsType[*bolt.FileError](err); ok {
		found = stateFinding("state file "+e.Path+" "+e.Problem, e.Remedy)
	}
	if misplaced(err) {
		return found
	}
	return damaged(found)
}

// damaged says that found is about what is in the file, and not about its place.
func damaged(found []finding) []finding {
	for i := range found {
		found[i].failed = true
	}
	return found
}

// checkBinding compares the account that a state belongs to with the
// configured one, as far as that is known without a request.
func checkBinding(ctx context.Context, cfg *config.Config, bound *state.Binding) ([]finding, error) {
	if bound == nil {
		return nil, nil
	}
	client, err := openClient(ctx, cfg, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closeClient(client) }() // nothing is lost by it
	return bindingFindings(bound, client.Properties(), accountOffline(client)), nil
}

// checkAccount asks the CRM which account it is and compares that with the one
// that the state file, sound by now, belongs to.
func checkAccount(ctx context.Context, cfg *config.Config, client crm.Client) []finding {
	account, err := client.Account(ctx)
	if err != nil {
		return []finding{crmFinding(cfg, "", err)}
	}
	bound, found := checkStateFile(ctx, cfg.State)
	return append(found, bindingFindings(bound, client.Properties(), account)...)
}

func bindingFindings(bound *state.Binding, p crm.Properties, account string) []finding {
	if problem := bindingProblem(bound, p, account); problem != "" {
		return stateFinding(problem, bindingRemedy)
	}
	return nil
}
