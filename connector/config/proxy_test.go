package config_test

import (
	"net/url"
	"strings"
	"testing"

	"crmsync/connector/config"
)

func TestLoad_ChecksTheProxy(t *testing.T) {
	for text, good := range map[string]bool{
		"":                          true,
		"http://proxy.example:3128": true,
		"https://user:p%23ss@proxy.example:3128/": true,
		"socks5://[::1]:1080":                     true,
		"proxy.example":                           true,
		"proxy.example:3128":                      true,
		"user:pass@proxy.example:3128":            true,
		"http://user:12#" + marker + "@proxy:1":   false,
		"http://user:" + marker + "#1@proxy:3128": false,
		"user:12?" + marker + "@proxy:3128":       false,
		"htps//" + marker + ":3128":               false,
		"ftp://" + marker + ":21":                 false,
		"http://":                                 false,
		"http://" + marker + ":99999":             false,
		"http://pro xy/" + marker:                 false,
		"http://u:" + marker + "%er2@127.0.0.1:1": false,
		"::" + marker + "::":                      false,
	} {
		for _, variable := range []string{"HTTPS_PROXY", "https_proxy"} {
			t.Setenv("HTTPS_PROXY", "")
			t.Setenv("https_proxy", "")
			t.Setenv(variable, text)
			_, problems := load(t, nil)
			if (len(problems) == 0) != good {
				t.Errorf("%s=%s: got %v", variable, text, problems)
			}
			for _, p := range problems {
				if p.Variable != variable || p.Code != config.CodeBadValue || p.Remedy == "" || strings.Contains(p.Error(), marker) {
					t.Errorf("%s=%s: got %+v", variable, text, p)
				}
			}
		}
	}
}

// The variable that names the proxy in capitals decides.
func TestLoad_ChecksTheProxyInForce(t *testing.T) {
	t.Setenv("https_proxy", "ftp://proxy:21")
	t.Setenv("HTTPS_PROXY", "http://proxy:3128")
	c, problems := load(t, nil)
	if len(problems) > 0 {
		t.Error(problems)
	}
	if got := proxyOf(t, c, "https://crm.example/x"); got != "http://proxy:3128" {
		t.Errorf("got the proxy %q", got)
	}
}

func TestLoad_FindsTheProxyOfAHost(t *testing.T) {
	t.Setenv("https_proxy", "")
	t.Setenv("no_proxy", "")
	t.Setenv("NO_PROXY", "other.example,10.0.0.0/8")
	t.Setenv("HTTPS_PROXY", "user:p%23ss@proxy.example:3128")
	c := loadGood(t, nil)
	for host, want := range map[string]string{
		"crm.example": "http://user:p%23ss@proxy.example:3128", "other.example": "", "eu.other.example": "", "10.1.2.3": "", "127.0.0.1": "",
	} {
		if got := proxyOf(t, c, "https://"+host+"/x"); got != want {
			t.Errorf("%s: got the proxy %q, want %q", host, got, want)
		}
	}
	t.Setenv("HTTPS_PROXY", "")
	if c := loadGood(t, nil); c.Common.Proxy != nil {
		t.Error("there is a proxy although none is set")
	}
}

// A caller that goes on in spite of the problem gets no way past the proxy.
func TestLoad_LetsNothingPastABadProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://u:"+marker+"%er2@127.0.0.1:1")
	c, _ := load(t, nil)
	u, err := c.Common.Proxy(&url.URL{Scheme: "https", Host: "crm.example"})
	if u != nil || err == nil || strings.Contains(err.Error(), marker) {
		t.Errorf("got %v, %v", u, err)
	}
}

// proxyOf returns the proxy of a request, "" for none.
func proxyOf(t *testing.T, c *config.Config, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := c.Common.Proxy(u)
	if err != nil {
		t.Fatal(err)
	}
	if proxy == nil {
		return ""
	}
	return proxy.String()
}
