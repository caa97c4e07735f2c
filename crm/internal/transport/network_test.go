package transport

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crmsync/crm"
)

// authority issues certificates that nobody knows.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Private Authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

// sign completes a certificate. That of the authority itself comes first.
func (a *authority) sign(t testing.TB, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore = big.NewInt(1), time.Now().Add(-48*time.Hour)
	issuer, issuerKey := a.cert, a.key
	if issuer == nil {
		issuer, issuerKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// file writes the authority's certificate in PEM form.
func (a *authority) file(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authority.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serve is a CRM that has a certificate for name until end and answers "hello".
func (a *authority) serve(t testing.TB, name string, end time.Time) *httptest.Server {
	t.Helper()
	c := &x509.Certificate{DNSNames: []string{name}, NotAfter: end}
	if ip := net.ParseIP(name); ip != nil {
		c.DNSNames, c.IPAddresses = nil, []net.IP{ip}
	}
	cert, key := a.sign(t, c)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused certificates
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestCertificates(t *testing.T) {
	known, unknown := newAuthority(t), newAuthority(t)
	later, before := time.Now().Add(time.Hour), time.Now().Add(-24*time.Hour)
	for name, test := range map[string]struct {
		server *httptest.Server
		says   string // "" is accepted
		hints  bool
	}{
		"of the authority that is trusted": {server: known.serve(t, "127.0.0.1", later)},
		"of an unknown authority":          {unknown.serve(t, "127.0.0.1", later), "unknown authority", true},
		"for another host":                 {known.serve(t, "crm.example", later), "certificate", false},
		"expired":                          {known.serve(t, "127.0.0.1", before), "certificate has expired", false},
	} {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			c := newClient(t, Options{BaseURL: test.server.URL, Common: crm.Common{
				RootCAs: known.pool(), Observe: func(string, string, time.Duration) { attempts++ },
			}})
			_, err := c.Do(t.Context(), get("/x"))
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantUnavailable(t, err)
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "CRMSYNC_TLS_CA") != test.hints {
				t.Errorf("error %q, want %q and a hint: %v", err, test.says, test.hints)
			}
			if attempts != 1 {
				t.Errorf("%d attempts: a certificate stays as it is", attempts)
			}
		})
	}
}

// The credentials of a request must not follow a redirect, not even to a host
// that looks related.
func TestRedirect_CredentialsStay(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var sent []string
		c := newClient(t, Options{Network: roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.URL.Host)
			return answer(status, http.Header{"Location": {"https://evil.crm.example/steal"}}, ""), nil
		})})
		for _, r := range []Request{get("/x"), {Method: http.MethodPost, Path: "/token", Form: map[string][]string{"secret": {token}}}} {
			if resp, err := c.Do(t.Context(), r); err != nil || resp.Status != status {
				t.Errorf("status %d: got %+v, %v", status, resp, err)
			}
		}
		if !slices.Equal(sent, []string{"crm.example", "crm.example"}) {
			t.Errorf("status %d: sent to %q", status, sent)
		}
	}
}

// connectProxy is a proxy that connects every host to one server.
type connectProxy struct {
	target string
	login  string // user:password that it wants, "" for none
	status int    // answered instead of connecting, 0 for none
	closed bool   // nobody listens

	mu   sync.Mutex
	seen []string // hosts
}

func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Method+" "+r.Host)
	p.mu.Unlock()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.login))
	switch {
	case p.login != "" && r.Header.Get("Proxy-Authorization") != want:
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	case p.status != 0:
		w.WriteHeader(p.status)
		return
	}
	far, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.target)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(far, buffered) }() // ends with the connection
	_, _ = io.Copy(near, far)
}

// hosts are those it was asked for.
func (p *connectProxy) hosts() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(slices.Compact(p.seen), ", ")
}

func TestProxy(t *testing.T) {
	private := newAuthority(t)
	crmServer := private.serve(t, "crm.example", time.Now().Add(time.Hour))
	const login, wrong = "jonas:s3cr3t-proxy@", "jonas:wr0ng-proxy@"
	for name, test := range map[string]struct {
		login string // in the address of the proxy
		base  string
		proxy *connectProxy // nil is one that connects everybody
		ca    bool          // trust the authority
		want  string        // in the answer or the error
		asked string        // of the proxy
	}{
		"without login":     {ca: true, want: "hello", asked: "CONNECT crm.example:443"},
		"with login":        {login: login, proxy: &connectProxy{login: "jonas:s3cr3t-proxy"}, ca: true, want: "hello", asked: "CONNECT crm.example:443"},
		"refuses the login": {login: wrong, proxy: &connectProxy{login: "jonas:s3cr3t-proxy"}, ca: true, want: "check the user and the password in HTTPS_PROXY", asked: "CONNECT crm.example:443"},
		"refuses the host":  {login: login, proxy: &connectProxy{status: 403}, ca: true, want: "does not connect us to the CRM (HTTP 403)", asked: "CONNECT crm.example:443"},
		"is not for http":   {base: "http://127.0.0.1:1", want: "connection refused"},
		"unknown authority": {want: "CRMSYNC_TLS_CA", asked: "CONNECT crm.example:443"},
		"nobody listens":    {login: login, proxy: &connectProxy{closed: true}, ca: true, want: "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := cmp.Or(test.proxy, &connectProxy{})
			proxy.target = crmServer.Listener.Addr().String()
			server := httptest.NewServer(proxy)
			defer server.Close()
			if proxy.closed {
				server.Close()
			}
			common := crm.Common{Proxy: func(*url.URL) (*url.URL, error) {
				return url.Parse("http://" + test.login + server.Listener.Addr().String())
			}}
			if test.ca {
				common.RootCAs = private.pool()
			}
			out := request(t, cmp.Or(test.base, "https://crm.example"), common)
			if !strings.Contains(out, test.want) || proxy.hosts() != test.asked {
				t.Errorf("got %s\nwant %q; the proxy was asked for %q, want %q", out, test.want, proxy.hosts(), test.asked)
			}
			for _, private := range []string{"jonas", "s3cr3t", "wr0ng"} {
				if strings.Contains(out, private) {
					t.Errorf("%s shows %s", out, private)
				}
			}
		})
	}
}

// A request that must not go directly is not sent when nobody knows the proxy.
func TestProxy_NotKnown(t *testing.T) {
	private := newAuthority(t)
	server, attempts := private.serve(t, "127.0.0.1", time.Now().Add(time.Hour)), 0
	_, err := newClient(t, Options{BaseURL: server.URL, Common: crm.Common{
		RootCAs: private.pool(),
		Proxy:   func(*url.URL) (*url.URL, error) { return nil, errors.New("HTTPS_PROXY is bad") },
		Observe: func(string, string, time.Duration) { attempts++ },
	}}).Do(t.Context(), get("/x"))
	wantUnavailable(t, err)
	if !strings.Contains(err.Error(), "HTTPS_PROXY is bad") || attempts != 1 {
		t.Errorf("got %v after %d attempts", err, attempts)
	}
}

// The authorities of the system are read once in a process, so that these
// requests are made in processes of their own. The proxy of the environment is
// for whoever fills in crm.Common: here it means nothing.
func TestEnvironment(t *testing.T) {
	private := newAuthority(t)
	local := private.serve(t, "127.0.0.1", time.Now().Add(time.Hour))
	// The address of this machine that proxies are not left out for by themselves.
	anywhere := "https://0.0.0.0:" + port(t, private.serve(t, "0.0.0.0", time.Now().Add(time.Hour)))
	ca := "SSL_CERT_FILE=" + private.file(t)
	for name, test := range map[string]struct {
		base string
		env  []string
		want string // in the output
	}{
		"authority of the system": {local.URL, []string{ca}, "hello"},
		"authority nobody knows":  {local.URL, nil, "CRMSYNC_TLS_CA"},
		"proxy":                   {anywhere, []string{ca, "HTTPS_PROXY=http://127.0.0.1:1"}, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out := inProcess(t, append(test.env, "TEST_BASE_URL="+test.base)); !strings.Contains(out, test.want) {
				t.Errorf("got %s\nwant %q", out, test.want)
			}
		})
	}
}

func port(t testing.TB, server *httptest.Server) string {
	t.Helper()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// inProcess makes one request in a process with this environment and returns
// what came of it.
func inProcess(t *testing.T, env []string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInProcess$")
	cmd.Env = append(env, "TEST_IN_PROCESS=1", "GORACE=atexit_sleep_ms=0", "PATH="+os.Getenv("PATH"), "TMPDIR="+os.TempDir())
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return out.String()
}

// TestInProcess is the other side of inProcess.
func TestInProcess(t *testing.T) {
	if os.Getenv("TEST_IN_PROCESS") == "" {
		return
	}
	_, _ = io.WriteString(os.Stdout, request(t, os.Getenv("TEST_BASE_URL"), crm.Common{}))
}

// request makes one request and returns the answer or the error.
func request(t *testing.T, base string, common crm.Common) string {
	t.Helper()
	r := get("/x")
	r.Repeatable = false
	common.RequestTimeout = 20 * time.Second
	resp, err := newClient(t, Options{BaseURL: base, Common: common}).Do(t.Context(), r)
	if err != nil {
		return err.Error()
	}
	return string(resp.Body)
}
