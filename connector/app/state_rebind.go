package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"crmsync/state"
	"crmsync/state/bolt"
)

// rebindCommand frees a state from its CRM account.
type rebindCommand struct {
	stateFlags
	Yes bool `help:"Do it; without, only tell what would be done."`
}

// rebindView is the JSON of state rebind.
type rebindView struct {
	Done    bool           `json:"done"`
	From    *state.Binding `json:"from"`    // the account; null when there is none
	Records map[string]int `json:"records"` // per object: how many CRM ids are forgotten
	Backup  string         `json:"backup"`  // the state as it was; "" while nothing was done
}

// Help implements kong.HelpProvider.
func (*rebindCommand) Help() string {
	return `For moving to another CRM account, or to another id field: forgets to which account the state belongs and the id of every
CRM record. Events, versions and deletions stay, so that old events stay old. The connector has to be stopped. A backup
is written beside the file first. Then resync writes everything to the new account.

Exit codes: 0 done, or nothing to do; 1 nothing was done.

Examples:
  crmsync state rebind                        what would be forgotten?
  crmsync state rebind --yes                  forget it`
}

// Run tells what is forgotten and, with Yes, forgets it.
func (c *rebindCommand) Run(s *session) (err error) {
	path, err := statePath(c.State)
	if err != nil {
		return err
	}
	if _, err := stateInfo(path); err != nil {
		return err
	}
	store, err := bolt.Open(path, bolt.Options{ReadOnly: !c.Yes, LockTimeout: lockPatience, CheckPages: true})
	if err != nil {
		return stoppedOnly(err, path, "state rebind")
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	v, err := rebindPlan(s.ctx, store)
	if err != nil {
		return err
	}
	if v.From != nil && c.Yes {
		if err := v.carryOut(s.ctx, store, path); err != nil {
			return err
		}
	}
	if c.JSON {
		err = printJSON(s.stdout, v)
	} else {
		_, err = io.WriteString(s.stdout, v.text(path))
	}
	if err == nil && v.From != nil && !v.Done {
		return errTold
	}
	return err
}

// rebindPlan counts what would be forgotten.
func rebindPlan(ctx context.Context, store *bolt.Store) (rebindView, error) {
	v := rebindView{Records: map[string]int{}}
	stats, err := store.Stats(ctx)
	if err != nil {
		return v, err
	}
	v.From = stats.Binding
	filter := state.ObjectFilter{Limit: maxPage}
	for {
		links, err := store.Objects(ctx, filter)
		if err != nil {
			return v, err
		}
		for _, l := range links {
			filter.After = l.Lane
			if l.RemoteID != "" {
				v.Records[l.Object]++
			}
		}
		if len(links) < filter.Limit {
			return v, nil
		}
	}
}

// carryOut keeps a copy and then forgets.
func (v *rebindView) carryOut(ctx context.Context, store *bolt.Store, path string) error {
	backup := path + ".rebind-" + time.Now().UTC().Format("20060102T150405Z") + ".bak"
	if _, err := saveCopy(ctx, backup, func(w io.Writer) error { return store.Backup(ctx, w) }); err != nil {
		return fmt.Errorf("back up %s, nothing was changed: %w", path, err)
	}
	if err := store.Rebind(ctx); err != nil {
		return err
	}
	v.Backup, v.Done = backup, true
	return nil
}

func (v *rebindView) text(path string) string {
	if v.From == nil {
		return path + " belongs to no CRM account: there is nothing to forget.\n"
	}
	from := accountText(v.From.Kind, v.From.Account, v.From.IDField)
	if !v.Done {
		return fmt.Sprintf(`%s belongs to %s.
With --yes this
  - writes a backup beside it,
  - forgets that account, and the CRM ids of %s,
  - keeps all events, which event every record comes from, and what was deleted.
Nothing was done.
`, path, from, v.recordsText())
	}
	return fmt.Sprintf(`%s belongs to no CRM account any more, the CRM ids of %s are forgotten.
It belonged to %s; as it was then it is in %s.
Next:
  1. configure the new account; crmsync setup and crmsync check
  2. start the connector
  3. crmsync resync      writes every record to the new account
`, path, v.recordsText(), from, v.Backup)
}

// recordsText says "no records" or "3 records (1 company, 2 contact)".
func (v *rebindView) recordsText() string {
	total, parts := 0, []string(nil)
	for _, object := range slices.Sorted(maps.Keys(v.Records)) {
		total += v.Records[object]
		parts = append(parts, fmt.Sprintf("%d %s", v.Records[object], object))
	}
	if total == 0 {
		return "no records"
	}
	return plural(total, "record") + " (" + strings.Join(parts, ", ") + ")"
}
