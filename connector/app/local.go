package app

import (
	"context"
	"net"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
)

// loadConfig reads the whole configuration.
func loadConfig() (*config.Config, error) {
	return config.Load(config.LoadOptions{Adapters: offered(), CheckSecret: checkSecret})
}

// soundConfig returns a configuration in which nothing is wrong. Otherwise it
// tells all that is, as check does.
func soundConfig(s *session) (*config.Config, error) {
	cfg, found := checkConfig()
	if countErrors(found) == 0 {
		return cfg, nil
	}
	if err := printFindings(s.stderr, found, false); err != nil {
		return nil, err
	}
	return nil, &exitError{code: exitUsage}
}

// loadOnly reads a few variables: commands that only look at a state, or only
// send to the webhook, work while the rest is not configured.
func loadOnly(variables ...string) (*config.Config, error) {
	cfg, err := config.Load(config.LoadOptions{Adapters: offered(), CheckSecret: checkSecret, Only: variables})
	if err != nil {
		return nil, usage(err)
	}
	return cfg, nil
}

func checkSecret(secret string) error {
	_, err := connector.ParseKey(secret)
	return err
}

// statePath returns the state file that the flag names, else the configured one.
func statePath(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	cfg, err := loadOnly("CRMSYNC_STATE")
	if err != nil {
		return "", err
	}
	return cfg.State, nil
}

// inForce is what is configured, for looking at a stopped file. What is not
// complete is nil.
type inForce struct {
	kind    string // of the CRM
	mapping *mapping.Mapper
	behind  *behind
	client  crm.Client // for what it tells without a request
}

func readInForce(ctx context.Context) (f inForce) {
	cfg, err := loadConfig()
	if err != nil {
		return f
	}
	f.kind = cfg.CRM
	if f.mapping, err = mapping.New(cfg.Mapping); err != nil {
		return inForce{kind: cfg.CRM}
	}
	f.behind = newBehind(deliveryOptions(cfg, nil, nil, f.mapping))
	if a, err := adapterOf(cfg); err == nil && !a.forgets {
		f.client, _ = openClient(ctx, cfg, nil) // check tells what is wrong with it
	}
	return f
}

// loopbackURL returns the URL under which this machine reaches a listener.
func loopbackURL(listenAddr string) string {
	host, port, err := net.SplitHostPort(listenAddr)
	if err != nil {
		return "http://" + listenAddr
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
