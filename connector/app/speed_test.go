package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crmsync/connector/app"
)

// -speed measures, which takes minutes and wants a machine that does nothing
// else.
var speed = flag.Bool("speed", false, "measure speed and hold it against its bounds")

// figure is a bound on what a benchmark reports.
type figure struct {
	metric string
	least  float64 // the measured value is to be at least that, or
	most   float64 // at most that
}

func (f figure) String() string {
	if f.least > 0 {
		return fmt.Sprintf("at least %g", f.least)
	}
	return fmt.Sprintf("at most %g", f.most)
}

func (f figure) met(value float64) bool {
	if f.least > 0 {
		return value >= f.least
	}
	return value <= f.most
}

// TestSpeed holds every benchmark of the program against its bounds.
func TestSpeed(t *testing.T) {
	if !*speed {
		return // a busy machine measures itself
	}
	for _, tt := range []struct {
		name    string
		measure func(*testing.B)
		figures []figure
	}{
		{"Accept", BenchmarkAccept, []figure{{metric: "rate-ratio", least: 0.9}, {metric: "p99-ratio", most: 2}}},
		{"Deliver", BenchmarkDeliver, []figure{{metric: "requests/event", most: 0.035}, {metric: "rate-ratio", least: 0.8}}},
		{"OneEvent", BenchmarkOneEvent, []figure{{metric: "median-ms", most: 25}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			result := testing.Benchmark(tt.measure)
			if result.N == 0 {
				t.Fatal("the benchmark failed")
			}
			t.Log(result)
			for _, f := range tt.figures {
				if value := result.Extra[f.metric]; !f.met(value) {
					t.Errorf("%s is %.3g, want %s", f.metric, value, f)
				}
			}
		})
	}
}

// speedProgram is the program inside this process, so that a profile shows it.
type speedProgram struct {
	addr string // of the webhook
	log  *lockedBuffer
}

// startProgram sets up the CRM at crmURL and serves until b ends.
func startProgram(b *testing.B, crmURL string) *speedProgram {
	b.Helper()
	p := &speedProgram{addr: freeAddr(b), log: &lockedBuffer{}}
	for _, variable := range []string{
		"CRM=hubspot", "HUBSPOT_BASE_URL=" + crmURL, "HUBSPOT_TOKEN=pat-end-to-end-secret",
		"WEBHOOK_SECRETS=" + endToEndSecrets[0], "LISTEN_ADDR=" + p.addr, "ADMIN_ADDR=off",
		"STATE=" + filepath.Join(b.TempDir(), "crmsync.db"), "RATE_LIMIT=off",
	} {
		name, value, _ := strings.Cut(variable, "=")
		b.Setenv("CRMSYNC_"+name, value)
	}
	p.run(b, "setup")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		app.Run(ctx, []string{"serve"}, strings.NewReader(""), io.Discard, p.log)
	}()
	b.Cleanup(func() { stop(); <-ended })
	awaitTrue(b, "the program is ready", 10*time.Millisecond, func() bool {
		resp, err := http.Get("http://" + p.addr + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// run executes a command line that has to succeed.
func (p *speedProgram) run(b *testing.B, args ...string) {
	b.Helper()
	var out bytes.Buffer
	if code := app.Run(b.Context(), args, strings.NewReader(""), &out, &out); code != 0 {
		b.Fatalf("crmsync %v: exit code %d\n%s%s", args, code, &out, p.log)
	}
}

// status asks the running program; one that is paused has the exit code 1.
func (p *speedProgram) status(b *testing.B) (s statusJSON) {
	b.Helper()
	var out bytes.Buffer
	app.Run(b.Context(), []string{"status", "--json"}, strings.NewReader(""), &out, io.Discard)
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		b.Fatalf("status: %v\n%s%s", err, &out, p.log)
	}
	return s
}

// awaitTrue asks every so often until the answer is yes.
func awaitTrue(tb testing.TB, what string, often time.Duration, cond func() bool) {
	tb.Helper()
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for start := time.Now(); !cond(); <-ticker.C {
		if time.Since(start) > time.Minute {
			tb.Fatalf("not within a minute: %s", what)
		}
	}
}

// median of what was measured several times; one that was disturbed counts for
// nothing.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// callBodies makes bodies of calls of about 8 KB, as the platform sends them.
type callBodies struct{ transcript string }

func newCallBodies() *callBodies {
	words := strings.Fields("we plan shifts by hand every week and the drivers leave because nobody asks them what budget would you need " +
		"to try another tool before the next season starts let me think about integration price security onboarding support")
	var b strings.Builder
	pick := uint32(1)
	for turn := 0; b.Len() < 7000; turn++ {
		fmt.Fprintf(&b, `{"createdAt":"2026-11-18T15:%02d:%02d.%09d","speakerName":"Jonas Weber","prospectText":"`, turn/60, turn%60, turn*7919)
		for range 12 {
			pick = pick*1664525 + 1013904223
			b.WriteString(words[int(pick>>16)%len(words)] + " ")
		}
		b.WriteString(`."},`)
	}
	return &callBodies{strings.TrimSuffix(b.String(), ",")}
}

// call returns the n-th call, of one of so many users.
func (c *callBodies) call(n, users int) []byte {
	id := func(kind int) string { return fmt.Sprintf("5b0e6c1e-0a83-4b61-%04x-%012x", 0x8000+kind, n) }
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Millisecond).Format("2006-01-02T15:04:05.000000000")
	user := n % users
	return fmt.Appendf(nil, `{"id":%q,"type":"call.completed","timestamp":%q,"payload":{"call":{"id":%q,"orgId":"e7a4d1c9-3b52-4f6e-a0d8-2c9b7f5e1a60",`+
		`"title":"Discovery call %d","createdAt":%q,"stats":{"duration":431.5},`+
		`"analysis":[{"analysisType":"general","score":7.4,"summary":"Good opening; no next step was agreed.","actionItems":["Send a case study"]}],`+
		`"user":{"id":"7a1d5c80-2b4e-4f16-8d3c-%012x","orgId":"e7a4d1c9-3b52-4f6e-a0d8-2c9b7f5e1a60","email":"rep%d@sales.example","name":"Rep Number%d","role":"Sales Rep","status":"active"},`+
		`"transcript":[%s]}}}`, id(1), at, id(2), n, at, user, user, user, c.transcript)
}
