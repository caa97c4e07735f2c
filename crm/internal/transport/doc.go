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
