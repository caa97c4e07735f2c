package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/crm/hubspot"
	"crmsync/crm/sandbox"
)

// adapter is one CRM on offer.
type adapter struct {
	name     string // value of CRMSYNC_CRM
	preset   string // default mapping
	maxBatch int    // most records in one request
	forgets  bool   // starts empty with every process: the fields are made then
	hints    hints
	options  func() any
	// open returns a client for filled options. It makes no request.
	open func(options any, common crm.Common) (crm.Client, error)
}

// hints name the variable to change when something is wrong in the CRM. An
// empty one stands for CRMSYNC_CRM.
type hints struct {
	address string // nobody answers, or somebody else
	version string // the API has no such path
	idField string // it is missing, or not unique
}

// adapters lists every CRM on offer.
func adapters() []adapter {
	return []adapter{
		offer(adapter{
			name: "hubspot", preset: hubspot.Preset(), maxBatch: hubspot.MaxBatch,
			hints: hints{
				address: "CRMSYNC_HUBSPOT_BASE_URL",
				version: "CRMSYNC_HUBSPOT_API_VERSION",
				idField: "CRMSYNC_HUBSPOT_ID_PROPERTY",
			},
		}, hubspot.New),
		{name: "sandbox", forgets: true, preset: hubspot.Preset(), maxBatch: hubspot.MaxBatch, open: openSandbox},
	}
}

// offer completes a with what the constructor of its client tells.
func offer[O any, C crm.Client](a adapter, open func(O, crm.Common) (C, error)) adapter {
	a.options = func() any { return new(O) }
	a.open = func(options any, common crm.Common) (crm.Client, error) {
		return open(*options.(*O), common)
	}
	return a
}

// variable is the one that sets an option of the adapter, "" without an option.
func (a adapter) variable(option string) string {
	if option == "" || a.options == nil {
		return ""
	}
	return "CRMSYNC_" + strings.ToUpper(a.name) + "_" + option
}

// offered is the list of adapters as the configuration wants it.
func offered() []config.Adapter {
	var list []config.Adapter
	for _, a := range adapters() {
		offer := config.Adapter{Name: a.name, Preset: a.preset, MaxBatch: a.maxBatch}
		if a.options != nil {
			offer.Options = a.options()
		}
		list = append(list, offer)
	}
	return list
}

// adapterOf returns the configured CRM.
func adapterOf(cfg *config.Config) (adapter, error) {
	for _, a := range adapters() {
		if a.name == cfg.CRM {
			return a, nil
		}
	}
	return adapter{}, fmt.Errorf("CRMSYNC_CRM: there is no CRM %q", cfg.CRM)
}

// openClient returns a client for the configured CRM, ready to be written to
// if it starts empty with every process. Callers close it with closeClient.
func openClient(ctx context.Context, cfg *config.Config, observe func(op, outcome string, d time.Duration)) (crm.Client, error) {
	a, err := adapterOf(cfg)
	if err != nil {
		return nil, usage(err)
	}
	common := cfg.Common
	common.UserAgent = "crmsync/" + buildVersion().Version
	common.Observe = observe
	client, err := a.open(cfg.Options, common)
	if e, ok := errors.AsType[*crm.OptionError](err); ok {
		return nil, usage(fmt.Errorf("CRMSYNC_%s_%s: %s", strings.ToUpper(a.name), e.Name, e.Message))
	} else if err != nil {
		return nil, fmt.Errorf("set up %s: %w", a.name, err)
	}
	if a.forgets {
		if _, err := provision(ctx, cfg, client, false); err != nil {
			return nil, errors.Join(fmt.Errorf("set up %s: %w", a.name, err), closeClient(client))
		}
	}
	return client, nil
}

// closeClient ends what the client keeps open, if anything.
func closeClient(client crm.Client) error {
	if c, ok := client.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// sandboxClient is a HubSpot client on a CRM in memory that lives as long.
type sandboxClient struct {
	*hubspot.Client
	server *sandbox.Server
}

// Properties are those of the client under the name in CRMSYNC_CRM.
func (c *sandboxClient) Properties() crm.Properties {
	p := c.Client.Properties()
	p.Name = "sandbox"
	return p
}

// Account is always the same one, whatever port the CRM in memory is given.
func (*sandboxClient) Account(context.Context) (string, error) { return "sandbox", nil }

// Close forgets every record.
func (c *sandboxClient) Close() error { return c.server.Close() }

// sandboxToken is what the CRM in memory accepts.
const sandboxToken = "sandbox"

func openSandbox(_ any, common crm.Common) (crm.Client, error) {
	server := sandbox.New(sandbox.Options{Token: sandboxToken})
	url, err := server.Start()
	if err != nil {
		return nil, fmt.Errorf("start the CRM in memory: %w", err)
	}
	client, err := hubspot.New(hubspot.Options{Token: sandboxToken, BaseURL: url}, common)
	if err != nil {
		server.Close()
		return nil, err
	}
	return &sandboxClient{client, server}, nil
}
