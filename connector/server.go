package connector

import (
	"net/http"
	"time"
)

// Bounds on a connection, so that slow senders cannot hold sockets and memory.
const (
	// readHeaderTimeout is generous for headers of 1 KB.
	readHeaderTimeout = 5 * time.Second
	// readTimeout covers headers and body. A sender waits 15 s for the answer,
	// self-hosted ones 30 s: nobody listens after that.
	// https://docs.svix.com/retries
	readTimeout = 30 * time.Second
	// writeTimeout runs from the end of the headers: reading the body, the
	// commit and the answer have to fit.
	writeTimeout = readTimeout + acceptTimeout + 5*time.Second
	// idleTimeout keeps connections for the next event of a burst.
	idleTimeout = 2 * time.Minute
	// maxHeaderBytes fits eleven signatures of both schemes, 2 KB, and what
	// proxies add.
	maxHeaderBytes = 16 << 10
)

// NewServer returns a server for handler on addr, not yet listening, with the
// bounds that a public listener needs.
func NewServer(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}
