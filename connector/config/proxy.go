package config

import (
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// proxyVariables name the proxy of requests to the CRM; the first that is set
// counts: https://pkg.go.dev/net/http#ProxyFromEnvironment
var proxyVariables = []string{"HTTPS_PROXY", "https_proxy"}

// checkProxy reports a proxy that no request could go through. The variable
// serves other programs too, so it is only read to find that out.
func (l *loader) checkProxy() {
	for _, variable := range proxyVariables {
		text := os.Getenv(variable)
		if text == "" {
			continue
		}
		if !isProxy(text) {
			l.problem(variable, CodeBadValue, "must be the URL of a proxy such as http://proxy.example:3128",
				"what is special in its user or password must be percent-encoded, a # as %23")
		}
		return
	}
}

// isProxy reports whether text is an address as net/http takes it: the scheme
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
	return slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) &&
		u.Hostname() != "" && (u.Port() == "" || err == nil) &&
		strings.Trim(u.Path, "/") == "" && u.Fragment == "" && u.RawQuery == ""
}
