// Package transport is the HTTP client that every adapter shares. It is the
// only user of go-retryablehttp.
//
// It knows how to reach a CRM and nothing about its API: it authorizes, paces
// and sends a request, repeats it at most twice within three seconds when that
// is safe, and hands back the last answer whatever its status. Outages that
// last longer belong to the caller's durable queue.
//
//   - An answer, of any status, is a [Response]. Classifying it is the
//     adapter's part.
//   - No answer, or a successful one that was cut short, is a *[crm.Error] of
//     kind Unavailable. Context errors stay visible to errors.Is.
//   - After [Client.Hold] every request waits, or is refused as RateLimited
//     when the wait is longer than three seconds.
//   - No error holds a URL, a secret or an e-mail address.
//   - Access tokens that a CRM issues ([Options].Issue) are kept fresh here. A
//     401 costs one new token and one repetition.
//   - Requests with TLS go through the proxy of [crm.Common]; when it cannot say
//     which, nothing is sent. SSL_CERT_FILE and SSL_CERT_DIR mean what they mean
//     to every Go program. No redirect is followed: credentials stay with the
//     host of the base URL.
//
// Example: read one page, repeating it after a blip.
//
//	c, err := transport.New(transport.Options{
//		BaseURL:   "https://api.hubapi.com",
//		Limit:     crm.RateLimit{Max: 100, Per: 10 * time.Second},
//		Authorize: transport.Bearer(token),
//		Secrets:   []string{token},
//	})
//	…
//	resp, err := c.Do(ctx, transport.Request{
//		Op: "list owners", Method: http.MethodGet, Path: "/crm/owners/2026-09", Repeatable: true,
//	})
package transport
