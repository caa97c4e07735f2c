package config_test

import (
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

// The variable that net/http reads first decides.
func TestLoad_ChecksTheProxyInForce(t *testing.T) {
	t.Setenv("https_proxy", "ftp://proxy:21")
	t.Setenv("HTTPS_PROXY", "http://proxy:3128")
	if _, problems := load(t, nil); len(problems) > 0 {
		t.Error(problems)
	}
}
