package crm

import (
	"crypto/x509"
	"net/url"
	"time"
)

// Common are the settings that every adapter understands. The zero value is
// what the CRM's documentation recommends.
type Common struct {
	RequestTimeout time.Duration  // of one request; 0 means 30 s
	RateLimit      RateLimit      // zero means the CRM's own limit
	BatchSize      int            // records per request; 0 means the CRM's maximum
	RootCAs        *x509.CertPool // authorities to trust; nil means the system's
	UserAgent      string         // sent with every request

	// Proxy returns the proxy for requests with TLS to the URL, nil for none. Its
	// error keeps the request from being sent, and shows no login. A nil Proxy
	// stands for no proxies.
	Proxy func(*url.URL) (*url.URL, error)

	// Observe is called after every request, also those that are repeated.
	// The op names what we were doing, such as "upsert contacts"; the outcome
	// is "ok" or the name of a Kind. Both come from small closed sets.
	Observe func(op, outcome string, d time.Duration)
}

// RateLimit is at most Max requests in any period of length Per.
type RateLimit struct {
	Max int
	Per time.Duration
	Off bool // no pacing at all; what the CRM asks for after a 429 is still respected
}

// OptionError says what is wrong with one option of an adapter. It never
// quotes the value.
type OptionError struct {
	Name    string // as in the option's name tag, such as BASE_URL
	Message string // what is expected
}

func (e *OptionError) Error() string { return e.Name + " " + e.Message }
