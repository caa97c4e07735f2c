package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
)

// What a whole batch of two is refused with, and what that means.
func TestErrors_RefusedBatch(t *testing.T) {
	for name, test := range map[string]struct {
		status   int
		answer   string
		want     crm.Error // Kind, Code, Field, RetryAfter
		contains string    // in the message
	}{
		"a property that does not exist": {400, `{"category":"VALIDATION_ERROR","correlationId":"corr-9","message":"Property values were not valid",
			"errors":[{"message":"Property \"scoer\" does not exist","code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["scoer"]}}]}`,
			crm.Error{Kind: crm.Misconfigured, Code: "PROPERTY_DOESNT_EXIST", Field: "scoer"}, "scoer"},
		"the same in the older form": {400, `{"status":"error","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Property \\\"scoer\\\" does not exist\",\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"scoer\"}]","category":"VALIDATION_ERROR"}`,
			crm.Error{Kind: crm.Misconfigured, Code: "PROPERTY_DOESNT_EXIST", Field: "scoer"}, "does not exist"},
		"an older form that is cut short": {400, `{"message":"Property values were not valid: [{\"isVal","category":"VALIDATION_ERROR"}`,
			crm.Error{Kind: crm.Invalid, Code: "VALIDATION_ERROR"}, "not valid"},
		"a property that every record needs": {400, `{"category":"VALIDATION_ERROR","errors":[{"code":"MISSING_REQUIRED_PROPERTY","context":{"propertyName":["region"]}}]}`,
			crm.Error{Kind: crm.Misconfigured, Code: "MISSING_REQUIRED_PROPERTY", Field: "region"}, ""},
		"a property that this record needs": {400, `{"errors":[{"code":"MISSING_CONDITIONAL_REQUIRED_PROPERTY","context":{"propertyName":"region"}}]}`,
			crm.Error{Kind: crm.Invalid, Code: "MISSING_CONDITIONAL_REQUIRED_PROPERTY", Field: "region"}, ""},
		"a property that nobody may write": {400, `{"category":"VALIDATION_ERROR","errors":[{"code":"READ_ONLY_VALUE","context":{"propertyName":["hs_lastmodifieddate"]}}]}`,
			crm.Error{Kind: crm.Misconfigured, Code: "READ_ONLY_VALUE", Field: "hs_lastmodifieddate"}, ""},
		"an option that does not exist": {400, `{"category":"VALIDATION_ERROR","errors":[{"code":"INVALID_OPTION","message":"Done was not one of the allowed options","context":{"propertyName":["hs_call_status"]}}]}`,
			crm.Error{Kind: crm.Invalid, Code: "INVALID_OPTION", Field: "hs_call_status"}, "allowed options"},
		"several details, the systemic one counts": {400, `{"category":"VALIDATION_ERROR","errors":[{"code":"INVALID_EMAIL"},{"code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["scoer"]}}]}`,
			crm.Error{Kind: crm.Misconfigured, Code: "PROPERTY_DOESNT_EXIST", Field: "scoer"}, ""},
		"no item named": {400, `{"category":"VALIDATION_ERROR","message":"something is wrong"}`, crm.Error{Kind: crm.Invalid, Code: "VALIDATION_ERROR"}, "something"},
		"an erased address, packed": {400, `{"message":"Property values were not valid: [{\"isValid\":false,\"message\":\"email has been GDPR blacklisted\",\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]"}`,
			crm.Error{Kind: crm.Invalid, Code: "erased_address", Field: "email"}, "email has been GDPR blacklisted"},
		"an unknown code":      {400, `{"errors":[{"code":"BRAND_NEW"}],"message":"new"}`, crm.Error{Kind: crm.Invalid}, "new"},
		"malformed JSON":       {400, `{"status":"error","message":"Invalid input JSON on line 1, column 2"}`, crm.Error{Kind: crm.Invalid}, "Invalid input JSON"},
		"no body":              {400, ``, crm.Error{Kind: crm.Invalid}, ""},
		"a page":               {400, `<html>no</html>`, crm.Error{Kind: crm.Invalid, Code: crm.CodeForeign}, "not JSON"},
		"members of odd types": {400, `{"status":4,"message":{"a":1},"category":["x"],"context":"none","correlationId":7}`, crm.Error{Kind: crm.Invalid}, ""},
		"duplicate ids": {400, `{"category":"VALIDATION_ERROR","message":"Duplicate IDs found in batch input: [k0]. IDs must be unique","context":{"ids":["k0"]}}`,
			crm.Error{Kind: crm.Invalid, Code: "duplicate_key"}, "Duplicate IDs"},
		"an id property that is not unique": {400, `{"category":"VALIDATION_ERROR","message":"Unable to perform update/upsert by non-unique property crmsync_id"}`,
			crm.Error{Kind: crm.Misconfigured, Code: "non_unique_id_property", Field: "crmsync_id"}, "non-unique"},
		"an erased address": {400, `{"category":"VALIDATION_ERROR","message":"Email jonas@b.example is on the Blacklist"}`,
			crm.Error{Kind: crm.Invalid, Code: "erased_address"}, "‹email›"},
		"a token that is not valid": {401, `{"category":"INVALID_AUTHENTICATION","message":"Authentication credentials not found ` + testToken + `"}`,
			crm.Error{Kind: crm.Unauthorized, Code: "INVALID_AUTHENTICATION"}, "‹secret›"},
		"missing scopes": {403, `{"category":"MISSING_SCOPES","message":"not granted","errors":[{"message":"…","context":{"requiredGranularScopes":["crm.objects.contacts.write","crm.objects.contacts.read"]}}]}`,
			crm.Error{Kind: crm.Unauthorized, Code: "MISSING_SCOPES"}, "crm.objects.contacts.read, crm.objects.contacts.write"},
		"a field without permission": {403, `{"category":"FORBIDDEN","message":"no","context":{"propertyName":["salary"]}}`,
			crm.Error{Kind: crm.Misconfigured, Code: "FORBIDDEN", Field: "salary"}, ""},
		"an object without permission": {403, `{"message":"no","context":{"objectType":["CALL"]}}`, crm.Error{Kind: crm.Misconfigured}, ""},
		"any other 403":                {403, `<html>`, crm.Error{Kind: crm.Unauthorized, Code: crm.CodeForeign}, ""},
		"a path that does not exist":   {404, `<html>`, crm.Error{Kind: crm.Misconfigured, Code: crm.CodeForeign}, ""},
		"too large":                    {413, ``, crm.Error{Kind: crm.Invalid}, ""},
		"too long a path":              {414, ``, crm.Error{Kind: crm.Invalid}, ""},
		"locked":                       {423, ``, crm.Error{Kind: crm.RateLimited, RetryAfter: 2 * time.Second}, ""},
		"burst":                        {429, `{"errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING","message":"You have reached your ten_secondly_rolling limit."}`, crm.Error{Kind: crm.RateLimited, RetryAfter: 10 * time.Second}, "limit"},
		"burst of a second":            {429, `{"policyName":"SECONDLY"}`, crm.Error{Kind: crm.RateLimited, RetryAfter: time.Second}, ""},
		"the day's requests":           {429, `{"policyName":"DAILY"}`, crm.Error{Kind: crm.RateLimited, RetryAfter: time.Hour}, ""},
		"an unnamed limit":             {429, ``, crm.Error{Kind: crm.RateLimited, RetryAfter: 10 * time.Second}, ""},
		"a portal on the move":         {477, ``, crm.Error{Kind: crm.RateLimited, RetryAfter: time.Minute}, ""},
		"a redirect":                   {302, ``, crm.Error{Kind: crm.Unavailable, Code: crm.CodeForeign}, "redirect"},
		"a teapot":                     {418, ``, crm.Error{Kind: crm.Unavailable}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(t, exchange{status: test.status, answer: test.answer})
			_, err := c.Upsert(t.Context(), crm.Contact, []crm.Record{jonas("k0"), jonas("k1")})
			e := wantError(t, err, test.want.Kind)
			if test.want.Code != "" && e.Code != test.want.Code || e.Field != test.want.Field || e.RetryAfter != test.want.RetryAfter {
				t.Errorf("got %+v, want %+v", e, test.want)
			}
			if e.Status != test.status || e.Op != "upsert contacts" || !strings.Contains(e.Message, test.contains) {
				t.Errorf("got %+v, want the message to contain %q", e, test.contains)
			}
			for _, private := range []string{"@", testToken, "?"} {
				if strings.Contains(e.Error(), private) {
					t.Errorf("error %q holds %q", e, private)
				}
			}
		})
	}
}

// A redirect says where to, without what may be secret in its path.
func TestErrors_Redirect(t *testing.T) {
	for location, want := range map[string]string{
		"https://www.hubspot.com/x?token=s3cret": "the answer is a redirect to www.hubspot.com",
		"/login?s3cret":                          "the answer is a redirect",
		"https://s3cret@[::1/":                   "the answer is a redirect",
		"":                                       "the answer is a redirect",
	} {
		if got := redirection(http.Header{"Location": {location}}); got != want {
			t.Errorf("%s: got %q, want %q", location, got, want)
		}
	}
}

// An outage of HubSpot itself is a page too.
func TestErrors_OutageIsNotForeign(t *testing.T) {
	c := newTestClient(t, exchange{status: 501, answer: `<html>`})
	if e := wantError(t, c.Ping(t.Context()), crm.Unavailable); e.Code != "" || e.Message != notJSON {
		t.Errorf("got %+v", e)
	}
}

// The same words mean the same when they come with one item of a batch.
func TestErrors_RefusedItem(t *testing.T) {
	for item, want := range map[string]crm.Kind{
		`{"category":"VALIDATION_ERROR","errors":[{"code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["x"]}}]}`: crm.Misconfigured,
		`{"category":"VALIDATION_ERROR","errors":[{"code":"MISSING_REQUIRED_PROPERTY"}]}`:                              crm.Misconfigured,
		`{"category":"VALIDATION_ERROR","errors":[{"code":"MISSING_CONDITIONAL_REQUIRED_PROPERTY"}]}`:                  crm.Invalid,
		`{"category":"VALIDATION_ERROR","message":"invalid e-mail"}`:                                                   crm.Invalid,
		`{"category":"OBJECT_NOT_FOUND"}`: crm.NotFound,
		`{"category":"MISSING_SCOPES"}`:   crm.Unauthorized,
		`{"category":"RATE_LIMITS"}`:      crm.RateLimited,
		`{"category":"INTERNAL_ERROR"}`:   crm.Unavailable,
		`{}`:                              crm.Unavailable,
	} {
		c := newTestClient(t, exchange{status: 207, answer: `{"errors":[` + item + `]}`})
		e := wantError(t, upsert(t, c, contact("k0", crm.Fields{"firstname": "A"}))[0].Err, want)
		if e.Op != "upsert contacts" {
			t.Errorf("op %q", e.Op)
		}
	}
}

// An owner who left must not cost the record: the field has to be named so that
// the record can be written without it.
func TestErrors_RefusedOwnerIsNamed(t *testing.T) {
	for name, item := range map[string]string{
		"detail":           `{"category":"VALIDATION_ERROR","errors":[{"message":"Owner 7 does not exist","code":"INVALID_OWNER_ID","context":{"propertyName":["hubspot_owner_id"]}}]}`,
		"without property": `{"category":"VALIDATION_ERROR","errors":[{"message":"Owner 7 does not exist","code":"INVALID_OWNER_ID"}]}`,
		"the whole":        `{"category":"VALIDATION_ERROR","subCategory":"crm.INVALID_OWNER_ID","message":"Owner 7 does not exist"}`,
		"packed": `{"category":"VALIDATION_ERROR","message":"Property values were not valid: ` +
			`[{\"isValid\":false,\"message\":\"Owner 7 does not exist\",\"error\":\"INVALID_OWNER_ID\",\"name\":\"hubspot_owner_id\"}]"}`,
		"packed into a detail": `{"category":"VALIDATION_ERROR","message":"invalid","errors":[{"message":"Property values were not valid: ` +
			`[{\"isValid\":false,\"message\":\"Owner 7 does not exist\",\"error\":\"INVALID_OWNER_ID\",\"name\":\"hubspot_owner_id\"}]"}]}`,
		"an option":    `{"category":"VALIDATION_ERROR","errors":[{"message":"Owner 7 does not exist","code":"INVALID_OPTION","context":{"propertyName":["hubspot_owner_id"]}}]}`,
		"unknown code": `{"category":"VALIDATION_ERROR","message":"invalid","errors":[{"message":"Owner 7 does not exist","code":"OWNER_DEACTIVATED","context":{"propertyName":"hubspot_owner_id"}}]}`,
		"no code":      `{"category":"VALIDATION_ERROR","message":"invalid","errors":[{"message":"Owner 7 does not exist","context":{"propertyName":"hubspot_owner_id"}}]}`,
	} {
		record := contact("k0", crm.Fields{"hubspot_owner_id": "7"})
		for status, answer := range map[int]string{400: item, 207: `{"errors":[` + item + `]}`} {
			c := newTestClient(t, exchange{status: status, answer: answer})
			e := wantError(t, upsert(t, c, record)[0].Err, crm.Invalid)
			if e.Field != "hubspot_owner_id" || e.Code == "" || !strings.Contains(e.Message, "Owner 7 does not exist") {
				t.Errorf("%s, %d: got %v", name, status, e)
			}
		}
	}
}

func TestErrors_NameTheRequestForSupport(t *testing.T) {
	c := newTestClient(t, exchange{status: 400, answer: `{"correlationId":"corr-9"}`})
	_, err := c.Upsert(t.Context(), crm.Contact, []crm.Record{jonas("k0"), jonas("k1")})
	if e := wantError(t, err, crm.Invalid); e.RequestID != "corr-9" {
		t.Errorf("request id %q", e.RequestID)
	}
	c = newTestClient(t, exchange{status: 401, header: http.Header{"X-Hubspot-Correlation-Id": {"corr-8"}}})
	if e := wantError(t, c.Ping(t.Context()), crm.Unauthorized); e.RequestID != "corr-8" {
		t.Errorf("request id %q", e.RequestID)
	}
}

// serving is a network that answers every request alike.
type serving func(*http.Request) (*http.Response, error)

func (f serving) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestErrors_OutagesAreUnavailable(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504, 521, 522, 523, 524, 0} {
		synctest.Test(t, func(t *testing.T) {
			var calls int
			c, err := newClient(Options{Token: testToken}, crm.Common{}, serving(func(*http.Request) (*http.Response, error) {
				calls++
				if status == 0 {
					return nil, errors.New("connection reset")
				}
				return &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{}}, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Upsert(t.Context(), crm.Contact, []crm.Record{jonas("k0")})
			if e := wantError(t, err, crm.Unavailable); e.Status != status {
				t.Errorf("status %d, want %d", e.Status, status)
			}
			if calls != 3 {
				t.Errorf("status %d: %d attempts: repeating an upsert is safe", status, calls)
			}
		})
	}
}

// After a 429 the account waits as a whole, whatever is asked next.
func TestErrors_RateLimitHoldsTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(t,
			exchange{status: 429, header: http.Header{"Retry-After": {"120"}}, answer: `{"policyName":"TEN_SECONDLY_ROLLING"}`},
			exchange{answer: `{"results":[]}`})
		if e := wantError(t, c.Ping(t.Context()), crm.RateLimited); e.RetryAfter != 2*time.Minute {
			t.Errorf("RetryAfter %v", e.RetryAfter)
		}
		time.Sleep(time.Minute)
		_, err := c.Owners(t.Context())
		if e := wantError(t, err, crm.RateLimited); e.RetryAfter != time.Minute {
			t.Errorf("RetryAfter %v a minute later", e.RetryAfter)
		}
		time.Sleep(time.Minute)
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRateLimit_IsAdoptedFromTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := http.Header{"X-Hubspot-Ratelimit-Max": {"2"}, "X-Hubspot-Ratelimit-Interval-Milliseconds": {"10000"}}
		c, err := newClient(Options{Token: testToken}, crm.Common{}, serving(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: body(`{"results":[]}`), Header: limit}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for range 5 {
			if err := c.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != 20*time.Second {
			t.Errorf("5 requests at 2 in 10 s took %v, want 20s", took)
		}
	})
}

func TestErrors_CancelledCallSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newTestClient(t).Upsert(ctx, crm.Contact, []crm.Record{jonas("k0")})
	if wantError(t, err, crm.Unavailable); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Whatever HubSpot sends, nothing panics and every record gets one answer.
func FuzzUpsertAnswer(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"results":[{"id":"1","objectWriteTraceId":"t0"}],"errors":[` + conflict("t1", "7") + `]}`,
		`{"errors":[{"context":{"objectWriteTraceId":["t0","t9"],"ids":[1]}}]}`, `{"results":[null]}`, `[]`,
		`{"category":"CONFLICT","message":"Existing ID: 5","errors":[{"errors":[{}]}],"context":[]}`,
	} {
		f.Add(200, seed)
		f.Add(400, seed)
	}
	f.Fuzz(func(t *testing.T, status int, answer string) {
		if status < 200 || status > 499 {
			status = 207 // the others are repeated with waits
		}
		c, err := newClient(Options{Token: testToken}, crm.Common{RateLimit: crm.RateLimit{Off: true}}, serving(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: body(answer), Header: http.Header{}}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // a hold of up to 3 s is waited for
		defer cancel()
		records := []crm.Record{jonas("k0"), jonas("k1")}
		results, err := c.Upsert(ctx, crm.Contact, records)
		if err != nil {
			if _, ok := errors.AsType[*crm.Error](err); !ok {
				t.Errorf("error %T", err)
			}
			return
		}
		if len(results) != len(records) {
			t.Fatalf("%d results", len(results))
		}
		for _, r := range results {
			if r.Err == nil && r.RemoteID == "" || (r.Err == nil) == (r.Action == "") {
				t.Errorf("result %+v", r)
			}
			if r.Err != nil && strings.Contains(fmt.Sprint(r.Err), "@") {
				t.Errorf("error %v", r.Err)
			}
		}
	})
}
