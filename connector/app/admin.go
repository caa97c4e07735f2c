package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Time-outs of the admin listener and the socket. Answers may take long
// (state verify reads everything), so there is no write time-out.
const (
	adminHeaderTimeout = 5 * time.Second
	adminReadTimeout   = 30 * time.Second
	adminIdleTimeout   = 2 * time.Minute
	adminMaxHeader     = 16 << 10
)

// newAdminServer returns a server for h with bounds on slow clients.
func newAdminServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: adminHeaderTimeout,
		ReadTimeout:       adminReadTimeout,
		IdleTimeout:       adminIdleTimeout,
		MaxHeaderBytes:    adminMaxHeader,
	}
}

// localHandler serves the socket: the API, and health with its reasons. Who
// may open the socket may do everything; its file mode is the guard.
func localHandler(api http.Handler, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", api)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			plain(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		plain(w, http.StatusOK, "ready")
	})
	return mux
}

// adminHandler serves the admin listener: what the socket serves and the
// metrics, behind the guards of a listener that a browser can reach.
func adminHandler(local, metrics http.Handler, token string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", local)
	mux.Handle("GET /metrics", metrics)
	guard := ownHostOnly
	if token != "" {
		guard = func(h http.Handler) http.Handler { return bearerOnly(h, token) }
	}
	return sameSiteOnly(guard(mux))
}

// sameSiteOnly refuses requests that another web site made a browser send.
// Following a link to a page is not one of them.
func sameSiteOnly(h http.Handler) http.Handler {
	unsafe := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if crossSite(r) {
			plain(w, http.StatusForbidden, "cross-site request refused")
			return
		}
		unsafe.ServeHTTP(w, r)
	})
}

// crossSite reports whether a page of another site asks. Browsers that do not
// say so name its origin, as with every request that could show it the answer.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "cross-site":
		return r.Header.Get("Sec-Fetch-Mode") != "navigate"
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	site, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(site.Host, r.Host) // "null" has no host
}

// bearerOnly asks for the token.
func bearerOnly(h http.Handler, token string) http.Handler {
	want := sha256.Sum256([]byte(token)) // equal lengths: the comparison tells nothing
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(given)))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			plain(w, http.StatusUnauthorized, "a token is required: Authorization: Bearer …")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// ownHostOnly guards a listener without token, which is on loopback: a name
// other than localhost in the Host header means that a web site resolved its
// own name to us (DNS rebinding), and the browser takes us for that site.
func ownHostOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isOwnHost(r.Host) {
			plain(w, http.StatusForbidden, "unknown host: use localhost or an IP address, or set CRMSYNC_ADMIN_TOKEN")
			return
		}
		h.ServeHTTP(w, r)
	})
}

func isOwnHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client went away: nobody is left to tell
}
