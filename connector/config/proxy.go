package config

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// proxyVariables name the proxy of requests to the CRM, and unproxied the hosts
// that are reached without it. The first that is set counts.
var (
	proxyVariables = []string{"HTTPS_PROXY", "https_proxy"}
	unproxied      = []string{"NO_PROXY", "no_proxy"}
)

// proxySchemes are the kinds of proxy that net/http can use:
// https://pkg.go.dev/net/http#Transport
var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

// errBadProxy is what requests get instead of the way past a proxy.
var errBadProxy = errors.New("HTTPS_PROXY is not the URL of a proxy")

// proxy returns the function of [crm.Common]. httpproxy takes an address that it
// does not understand for none, so that requests would go past the proxy: here
// it lets none go.
func (l *loader) proxy() func(*url.URL) (*url.URL, error) {
	variable, text := firstSet(l.env, proxyVariables)
	if text == "" {
		return nil
	}
	if !isProxy(text) {
		l.problem(variable, CodeBadValue, "must be the URL of a proxy such as http://proxy.example:3128",
			"what is special in its user or password must be percent-encoded, a # as %23, a % as %25")
		return func(*url.URL) (*url.URL, error) { return nil, errBadProxy }
	}
	_, hosts := firstSet(l.env, unproxied)
	c := httpproxy.Config{HTTPSProxy: text, NoProxy: hosts}
	return c.ProxyFunc()
}

// firstSet returns the first of the variables that is not empty.
func firstSet(env map[string]string, variables []string) (variable, text string) {
	for _, variable := range variables {
		if text := strings.TrimSpace(env[variable]); text != "" {
			return variable, text
		}
	}
	return "", ""
}

// isProxy reports whether text is an address as httpproxy takes it: the scheme
// may be left out. A special character in a password makes the rest of the
// address a path or a fragment.
func isProxy(text string) bool {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(u.Port(), 10, 16)
	return slices.Contains(proxySchemes, u.Scheme) && u.Hostname() != "" && (u.Port() == "" || err == nil) &&
		strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}
