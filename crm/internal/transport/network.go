package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"crmsync/crm"
)

// errProxyLogin says what to change. The error of net/http quotes the proxy's
// address with its password.
var errProxyLogin = errors.New("the proxy refuses us (HTTP 407): check the user and the password in HTTPS_PROXY")

// errNoProxy is the reason of a request that is not sent, for want of a proxy.
type errNoProxy struct{ error }

func newNetwork(o crm.Common) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  proxyOf(o),
		OnProxyConnectResponse: checkProxy,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        maxConnections,
		MaxIdleConnsPerHost:    maxConnections,
		IdleConnTimeout:        90 * time.Second,
	}
}

// proxyOf asks for the proxy of each request. One without TLS goes directly: a
// proxy could read its credentials.
func proxyOf(o crm.Common) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme != "https" || o.Proxy == nil {
			return nil, nil
		}
		u, err := o.Proxy(r.URL)
		if err != nil {
			return nil, errNoProxy{err}
		}
		return u, nil
	}
}

// checkProxy says why there is no connection to the CRM, without quoting the
// proxy.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusProxyAuthRequired:
		return errProxyLogin
	}
	return fmt.Errorf("the proxy in HTTPS_PROXY does not connect us to the CRM (HTTP %d): check what it allows, or name the CRM's host in NO_PROXY", answer.StatusCode)
}

// hint says what to do about an error of the network, "" when it says so itself,
// as those about names and dates of a certificate do.
func hint(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "; if the certificate comes from a private authority, set CRMSYNC_TLS_CA to a PEM file of that authority"
	}
	return ""
}

// isBlip reports whether a failure of the network often passes at once. A
// time-out has already taken long, and a certificate stays as it is.
func isBlip(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[errNoProxy](err); ok || errors.Is(err, errProxyLogin) {
		return false
	}
	timeout, ok := errors.AsType[net.Error](err)
	return !ok || !timeout.Timeout()
}
