package apispec_test

import (
	"net/http"
	"strings"
	"testing"

	"crmsync/crm/sandbox"
	"crmsync/crm/sandbox/apispec"
)

func load(t *testing.T) *apispec.Spec {
	t.Helper()
	spec, err := apispec.Load()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func exchange(path, body string, status int, response string) sandbox.Exchange {
	return sandbox.Exchange{
		Request: sandbox.Request{
			Op: "POST objects", Method: "POST", Path: path,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body),
		},
		Status: status, Response: []byte(response),
	}
}

func TestCheckRequest(t *testing.T) {
	const upsert = "/crm/objects/2026-09/contacts/batch/upsert"
	tests := []struct {
		name, path, body string
		fault            string // "" is none
	}{
		{"right", upsert, `{"inputs":[{"id":"a","idProperty":"k","properties":{"k":"a"}}]}`, ""},
		{"right, legacy path", "/crm/v3/objects/0-1/batch/upsert", `{"inputs":[{"id":"a","properties":{}}]}`, ""},
		{"right, legacy association", "/crm/v4/associations/calls/contacts/batch/archive", `{"inputs":[{"from":{"id":"1"},"to":[{"id":"2"}]}]}`, ""},
		{"associations in an upsert", upsert, `{"inputs":[{"id":"a","properties":{},"associations":[]}]}`, "associations"},
		{"number as a value", upsert, `{"inputs":[{"id":"a","properties":{"n":1}}]}`, "string"},
		{"id missing", upsert, `{"inputs":[{"properties":{}}]}`, "id"},
		{"too many", upsert, `{"inputs":[` + strings.Repeat(`{"id":"a","properties":{}},`, 100) + `{"id":"a","properties":{}}]}`, "maximum"},
		{"read without its lists", "/crm/objects/2026-09/contacts/batch/read", `{"inputs":[{"id":"1"}],"properties":[]}`, "propertiesWithHistory"},
		{"path unknown", "/crm/objects/2026-09/contacts/batch/merge", `{}`, "not in the API definition"},
		{"version unknown", "/crm/objects/2020-01/contacts/batch/upsert", `{"inputs":[{"id":"a","properties":{}}]}`, "version"},
		{"object unknown", "/crm/objects/2026-09/contact/batch/upsert", `{"inputs":[{"id":"a","properties":{}}]}`, "objectType"},
	}
	spec := load(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := spec.CheckRequest(exchange(test.path, test.body, 0, ""))
			switch {
			case test.fault == "" && err != nil:
				t.Errorf("got %v", err)
			case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)):
				t.Errorf("got %v, want an error about %q", err, test.fault)
			}
		})
	}
}

func TestCheckResponse(t *testing.T) {
	const path, body = "/crm/objects/2026-09/contacts/batch/upsert", `{"inputs":[{"id":"a","properties":{}}]}`
	const times = `"startedAt":"2026-11-18T15:42:11.100Z","completedAt":"2026-11-18T15:42:11.290Z"`
	spec := load(t)
	for _, right := range []sandbox.Exchange{
		exchange(path, body, 200, `{"status":"COMPLETE","results":[],`+times+`}`),
		exchange(path, body, 503, `{"status":"error","message":"x"}`),
		exchange(path, body, 0, ``),
	} {
		if err := spec.CheckResponse(right); err != nil {
			t.Errorf("status %d: %v", right.Status, err)
		}
	}
	for _, wrong := range []sandbox.Exchange{
		exchange(path, body, 200, `{"status":"COMPLETE",`+times+`}`),
		exchange(path, body, 200, `{"status":"COMPLETE","results":[{"id":7}],`+times+`}`),
		exchange(path, body, 400, `{"error":"x"}`),
	} {
		if err := spec.CheckResponse(wrong); err == nil {
			t.Errorf("accepted %s", wrong.Response)
		}
	}
}
