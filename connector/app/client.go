package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// maxAnswer bounds what a command reads of one answer: a page of events, or
// one event with its payload.
const maxAnswer = 256 << 20

// client speaks to the API: of a running connector through its socket, or of a
// handler in this process that stands on the stopped file.
type client struct {
	http    *http.Client
	running bool   // a connector answers
	pulse   *pulse // of it
	close   func() error
}

// Close ends the connections and closes the state file, if it was opened.
func (c *client) Close() error {
	c.http.CloseIdleConnections()
	if c.close == nil {
		return nil
	}
	return c.close()
}

// get reads the answer to GET path?query into v.
func (c *client) get(ctx context.Context, path string, query url.Values, v any) error {
	_, err := c.do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, v)
	return err
}

// post sends body as JSON to path and reads the answer into v.
func (c *client) post(ctx context.Context, path string, body, v any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	_, err = c.do(ctx, http.MethodPost, path, bytes.NewReader(text), v)
	return err
}

// list walks through the entries of a list, page by page, limit of them at
// most; 0 means all.
func (c *client) list(ctx context.Context, path string, query url.Values, limit int) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		page := maxPage
		if limit > 0 {
			page = min(page, limit)
		}
		query.Set("limit", strconv.Itoa(page))
		next := path + "?" + query.Encode()
		for seen := 0; next != ""; {
			var entries []json.RawMessage
			header, err := c.do(ctx, http.MethodGet, next, nil, &entries)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, entry := range entries {
				if !yield(entry, nil) {
					return
				}
				if seen++; seen == limit {
					return
				}
			}
			next = nextLink(header)
		}
	}
}

// download writes the answer to GET path to w, whole or with an error.
func (c *client) download(ctx context.Context, path string, w io.Writer) error {
	resp, err := c.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("copy the answer: %w", err)
	}
	return nil
}

func (c *client) do(ctx context.Context, method, target string, body io.Reader, v any) (http.Header, error) {
	resp, err := c.ask(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(v); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return resp.Header, nil
}

// ask returns an answer that is a success; the caller closes its body.
func (c *client) ask(ctx context.Context, method, target string, body io.Reader) (*http.Response, error) {
	watched, stop := c.pulse.watch(ctx)
	req, err := http.NewRequestWithContext(watched, method, "http://crmsync"+target, body)
	if err != nil {
		stop()
		return nil, fmt.Errorf("build request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		cause := context.Cause(watched)
		stop()
		return nil, fmt.Errorf("ask the connector: %w", cmp.Or(cause, err))
	}
	resp.Body = &watchedBody{resp.Body, watched, stop}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, answerError(resp.StatusCode, json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)))
	}
	return resp, nil
}

// answerError turns an answer other than 200 into an error. What the API calls
// a bad request was typed by the caller of the command.
func answerError(status int, answer *json.Decoder) error {
	var p problemView
	if err := answer.Decode(&p); err != nil || p.Error == "" {
		return fmt.Errorf("the connector answered HTTP %d", status)
	}
	if status == http.StatusBadRequest {
		return usage(errors.New(p.Error))
	}
	return errors.New(p.Error)
}

var nextRel = regexp.MustCompile(`^<([^>]+)>; rel="next"$`)

func nextLink(h http.Header) string {
	if m := nextRel.FindStringSubmatch(h.Get("Link")); m != nil {
		return m[1]
	}
	return ""
}

// localTransport answers requests with a handler in this process.
type localTransport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t localTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		req.Body = http.NoBody
	}
	w := &localAnswer{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(w, req)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: w.status, Header: w.header, Request: req,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}, nil
}

// localAnswer is the http.ResponseWriter of localTransport.
type localAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *localAnswer) Header() http.Header         { return a.header }
func (a *localAnswer) WriteHeader(status int)      { a.status = status }
func (a *localAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

// maxProbeAnswer bounds what is read of the answer to a probe.
const maxProbeAnswer = 4 << 10

// probe asks a health endpoint. The reason is empty when the answer was yes.
func probe(ctx context.Context, c *http.Client, url string) (ok bool, reason string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, "", fmt.Errorf("build request: %w", err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return false, "", fmt.Errorf("the connector does not answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return true, "", nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProbeAnswer))
	return false, strings.TrimSpace(string(text)), err
}
