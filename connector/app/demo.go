package app

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crmsync/connector/config"
	"crmsync/crm/sandbox"
	"crmsync/state"
)

// demoEvents are invented; nobody in them exists.
//
//go:embed demo
var demoEvents embed.FS

// demoSteps are what the demo sends, in this order.
var demoSteps = []struct{ file, note string }{
	{"org.updated", "an organisation"},
	{"user.created", "its first user"},
	{"user.updated", "the same user with a new name"},
	{"call.completed", "a call of a user not heard of before"},
	{"call.completed", "the same call, delivered again"},
	{"user.updated-late", "older than the new name, but delivered later"},
	{"user.created-refused", "a person whose data was erased in the CRM"},
}

// demoErased is the address that the CRM of the demo refuses.
const demoErased = "erased.person@brightsales.example"

// demoPatience is how long the demo waits for one event; it takes milliseconds.
const demoPatience = 30 * time.Second

// demoCommand shows everything without configuration.
type demoCommand struct {
	Once bool `help:"Exit after the samples."`
}

// Help implements kong.HelpProvider.
func (*demoCommand) Help() string {
	return `Needs no configuration and no account: a CRM in memory, a state file that is removed at the end, and sample events that
are signed and posted to the real webhook. It prints what became of each and what the CRM holds, then runs on so that
you can look around and send events of your own.

Examples:
  crmsync demo                                until Ctrl-C
  crmsync demo --once                         exit after the samples`
}

// Run starts a connector on a temporary state and a CRM in memory, sends the
// sample events to its webhook, and shows what became of them.
func (c *demoCommand) Run(s *session) (err error) {
	dir, err := os.MkdirTemp("", "crmsync-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the state: %w", err)
	}
	defer os.RemoveAll(dir)
	cfg, err := demoConfig(dir)
	if err != nil {
		return err
	}
	v, err := startService(s.ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.stop()) }()
	d := &demo{session: s, service: v, crm: v.client.(*sandboxClient).server}
	if err := d.show(string(cfg.WebhookSecrets[0])); err != nil || c.Once {
		return err
	}
	d.invite(string(cfg.WebhookSecrets[0]))
	return v.wait(s.ctx)
}

// demoConfig is the default configuration with a secret and ports of its own.
func demoConfig(dir string) (*config.Config, error) {
	var cfg *config.Config
	for _, a := range offered() {
		if a.Name != "sandbox" {
			continue
		}
		var err error
		if cfg, err = config.Defaults(a); err != nil {
			return nil, err
		}
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	cfg.WebhookSecrets = []config.Secret{config.Secret("whsec_" + base64.StdEncoding.EncodeToString(key))}
	cfg.State = filepath.Join(dir, "crmsync.db")
	cfg.ListenAddr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	return cfg, nil
}

// demo is a running demonstration.
type demo struct {
	*session
	service *service
	crm     *sandbox.Server
}

func (d *demo) show(secret string) error {
	d.crm.Erase(demoErased)
	d.crm.SetOwners([]sandbox.Owner{{ID: "71", Email: "jonas.weber@brightsales.example"}})
	sender, err := newSender(d.webhookURL(), []string{secret})
	if err != nil {
		return err
	}
	fmt.Fprintf(d.stdout, "A CRM in memory, and signed sample events posted to %s:\n\n", d.webhookURL())
	t := newTable(d.stdout)
	t.row("EVENT", "WHAT IT IS", "STATUS", "WHAT HAPPENED")
	var refusals []string
	for _, step := range demoSteps {
		r, err := d.send(sender, step.file)
		if err != nil {
			return fmt.Errorf("sample %s: %w", step.file, err)
		}
		t.row(r.event, step.note, r.status, r.outcome)
		refusals = append(refusals, r.refusals...)
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintln(d.stdout, "\nThe dead event keeps its data and waits for a person; crmsync replay queues it again. Why it is dead:")
	for _, text := range refusals {
		fmt.Fprintln(d.stdout, "  "+printable(text))
	}
	return d.printCRM()
}

// demoResult is what became of one sample.
type demoResult struct {
	event, status, outcome string
	refusals               []string // the CRM's own words
}

// send posts a sample and waits until its event has ended.
func (d *demo) send(sender *sender, file string) (demoResult, error) {
	body, err := demoEvents.ReadFile("demo/" + file + ".json")
	if err != nil {
		return demoResult{}, err
	}
	before, err := d.service.store.Stats(d.ctx)
	if err != nil {
		return demoResult{}, err
	}
	id := messageID(body)
	if err := sender.send(d.ctx, id, body); err != nil {
		return demoResult{}, err
	}
	event, err := d.settled(id)
	if err != nil {
		return demoResult{}, err
	}
	after, err := d.service.store.Stats(d.ctx)
	if err != nil {
		return demoResult{}, err
	}
	if after.Duplicates > before.Duplicates {
		return demoResult{event: event.Type, status: "duplicate", outcome: "nothing is written twice"}, nil
	}
	return newDemoResult(event), nil
}

// settled waits until an event has ended.
func (d *demo) settled(id string) (state.Event, error) {
	ctx, cancel := context.WithTimeout(d.ctx, demoPatience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		event, err := d.service.store.Event(ctx, id)
		if err != nil || event.Status != state.Pending {
			return event, err
		}
		select {
		case <-ctx.Done():
			return event, fmt.Errorf("still pending, the CRM is %s: %w", d.service.dispatch.CRMState().State, ctx.Err())
		case <-tick.C:
		}
	}
}

func newDemoResult(e state.Event) demoResult {
	result := demoResult{event: e.Type, status: string(e.Status)}
	var parts []string
	for _, r := range e.Records {
		switch {
		case r.SupersededBy != "":
			parts = append(parts, "the "+r.Object+" has newer data")
		case r.Error != "":
			parts = append(parts, r.Object+" "+r.Reason+" by the CRM")
			result.refusals = append(result.refusals, r.Error)
		default:
			parts = append(parts, r.Object+" "+recordFate(r))
		}
	}
	result.outcome = strings.Join(parts, ", ")
	return result
}

func (d *demo) webhookURL() string {
	return "http://" + d.service.public.address().String() + "/webhooks"
}

// printCRM shows the CRM's own records, not what we remember of them.
func (d *demo) printCRM() error {
	fmt.Fprint(d.stdout, "\nIn the CRM now:\n\n")
	names := map[string]string{}
	kinds := []struct {
		object string
		label  []string // properties that name a record
		detail []string
	}{
		{"companies", []string{"name"}, nil},
		{"contacts", []string{"firstname", "lastname"}, []string{"email"}},
		{"calls", []string{"hs_call_title"}, []string{"hs_timestamp", "crmsync_score"}},
	}
	for _, kind := range kinds {
		for _, r := range d.crm.Records(kind.object) {
			names[r.ID] = strings.TrimSpace(strings.Join(properties(r, kind.label), " "))
		}
	}
	t := newTable(d.stdout)
	t.row("RECORDS", "ID", "NAME", "DETAIL", "LINKED TO")
	for _, kind := range kinds {
		for _, r := range d.crm.Records(kind.object) {
			t.row(kind.object, r.ID, names[r.ID], strings.Join(properties(r, kind.detail), " "), d.linked(kind.object, r.ID, names))
		}
	}
	return t.flush()
}

func properties(r sandbox.Record, names []string) []string {
	var values []string
	for _, name := range names {
		if value := r.Properties[name]; value != "" {
			values = append(values, value)
		}
	}
	return values
}

// linked names what a record is linked to, in one direction only.
func (d *demo) linked(object, id string, names map[string]string) string {
	var to []string
	for _, pair := range [][2]string{{"contacts", "companies"}, {"calls", "contacts"}, {"calls", "companies"}} {
		if pair[0] != object {
			continue
		}
		for _, link := range d.crm.Associations(pair[0], pair[1]) {
			if link[0] == id {
				to = append(to, names[link[1]])
			}
		}
	}
	slices.Sort(to)
	return strings.Join(to, ", ")
}

// invite says how to go on.
func (d *demo) invite(secret string) {
	fmt.Fprintf(d.stdout, `
Running until you press Ctrl-C. In another terminal:

  crmsync status --state %[1]s
  crmsync explain ID --state %[1]s
  CRMSYNC_WEBHOOK_SECRETS=%[2]s crmsync send FILE --to %[3]s

Admin API: http://%[4]s/api/v1/status
`, d.service.cfg.State, secret, d.webhookURL(), d.service.admin.address())
}
