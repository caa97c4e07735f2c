package apispec

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"crmsync/crm/sandbox"
)

//go:embed openapi.yaml
var definition []byte

// Spec is the definition, ready to check. It may be used concurrently.
type Spec struct{ router routers.Router }

// Load reads the definition. The error is a mistake in it.
func Load() (*Spec, error) {
	doc, err := openapi3.NewLoader().LoadFromData(definition)
	if err != nil {
		return nil, fmt.Errorf("read the API definition: %w", err)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("route the API definition: %w", err)
	}
	return &Spec{router: router}, nil
}

// CheckRequest says what is wrong with the request.
func (s *Spec) CheckRequest(e sandbox.Exchange) error {
	in, err := s.input(e)
	if err != nil {
		return err
	}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
		return fmt.Errorf("request %s: %w", e.Op, err)
	}
	return nil
}

// CheckResponse says what is wrong with the answer. A request without one has
// nothing to check.
func (s *Spec) CheckResponse(e sandbox.Exchange) error {
	if e.Status == 0 {
		return nil
	}
	in, err := s.input(e)
	if err != nil {
		return err
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in,
		Status:                 e.Status,
		Header:                 http.Header{"Content-Type": {"application/json"}},
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	}
	out.SetBodyBytes(e.Response)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		return fmt.Errorf("answer to %s: %w", e.Op, err)
	}
	return nil
}

// input finds the operation of an exchange.
func (s *Spec) input(e sandbox.Exchange) (*openapi3filter.RequestValidationInput, error) {
	r := httptest.NewRequest(e.Method, "https://api.hubapi.com/", bytes.NewReader(e.Body))
	r.URL.Path, r.URL.RawQuery = dated(e.Path), e.Query
	r.Header = e.Header.Clone()
	route, params, err := s.router.FindRoute(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s is not in the API definition: %w", e.Method, e.Path, err)
	}
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}, nil
}

// dated returns the dated form of a legacy path.
func dated(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "account-info" && parts[1] == "v3":
		parts[1] = "2026-03"
	case len(parts) > 2 && (parts[1] == "v3" || parts[1] == "v4"):
		parts[1], parts[2] = parts[2], "2026-03"
	case len(parts) > 2 && parts[0] == "oauth" && parts[1] == "v1":
		parts[1] = "2026-03"
	}
	return "/" + strings.Join(parts, "/")
}
