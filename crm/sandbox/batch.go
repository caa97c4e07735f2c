package sandbox

import (
	"net/http"
	"slices"
	"time"
)

// batchReply is the answer to a batch.
type batchReply struct {
	Status      string      `json:"status"`
	Results     []any       `json:"results"`
	NumErrors   int         `json:"numErrors,omitempty"`
	Errors      []*apiError `json:"errors,omitempty"`
	StartedAt   string      `json:"startedAt,omitempty"`
	CompletedAt string      `json:"completedAt,omitempty"`
}

// batch collects what becomes of the inputs of one request.
type batch struct {
	s       *Server
	c       *call
	started time.Time
	writes  int // of the server, before
	results []any
	errors  []*apiError
	missing []string // inputs that name no record, for one error about all
	undo    []func()
}

func (s *Server) newBatch(c *call) *batch {
	return &batch{s: s, c: c, started: c.now, writes: s.writes, results: []any{}}
}

// reply answers whole when everything was done.
func (b *batch) reply(whole int) reply {
	if len(b.missing) > 0 {
		b.errors = append(b.errors, notFoundItem(b.c.object, b.missing...))
	}
	b.s.shuffle(len(b.results), func(i, j int) { b.results[i], b.results[j] = b.results[j], b.results[i] })
	status := whole
	if len(b.errors) > 0 {
		status = b.c.partial(whole)
	}
	return reply{status, batchReply{
		Status: "COMPLETE", Results: b.results, NumErrors: len(b.errors), Errors: b.errors,
		StartedAt: stamp(b.started), CompletedAt: stamp(b.s.opts.Now()),
	}}
}

func notFoundItem(t *table, ids ...string) *apiError {
	return newError(http.StatusNotFound, categoryNotFound,
		"Could not get some "+t.singular+" objects, they may be deleted or not exist. Check that ids are valid.").with("ids", ids...)
}

// each carries out one input after the other. Only when every input has a trace
// id of its own are they independent; otherwise the first refusal undoes all.
// Records that do not exist never fail a batch.
func (b *batch) each(traces []string, carryOut func(i int) (object, func(), *apiError)) *apiError {
	independent := !slices.Contains(traces, "") && !hasDuplicates(traces)
	for i, trace := range traces {
		result, undo, e := carryOut(i)
		if e == nil {
			if !b.s.opts.HideTraceIDs {
				result.TraceID = trace
			}
			b.results = append(b.results, result)
			b.undo = append(b.undo, undo)
			continue
		}
		if !independent && e.Category == categoryNotFound {
			b.missing = append(b.missing, e.Context["ids"]...)
			continue
		}
		if !independent {
			for _, undo := range slices.Backward(b.undo) {
				undo()
			}
			b.s.writes = b.writes
			return e
		}
		b.errors = append(b.errors, e.with("objectWriteTraceId", trace))
	}
	return nil
}

func hasDuplicates(values []string) bool {
	return len(duplicates(values)) > 0
}

// duplicates returns each value that occurs more than once.
func duplicates(values []string) []string {
	seen := map[string]int{}
	var twice []string
	for _, v := range values {
		if seen[v]++; seen[v] == 2 {
			twice = append(twice, v)
		}
	}
	return twice
}

func checkCount(n, most int) *apiError {
	switch {
	case n == 0:
		return invalid("The batch has no inputs")
	case n > most:
		return invalid("The batch has %d inputs, the maximum is %d", n, most)
	}
	return nil
}

// checkDuplicates refuses a batch that names a record twice.
func checkDuplicates(ids []string) *apiError {
	if twice := duplicates(ids); len(twice) > 0 {
		return invalid("Duplicate IDs found in batch input: %v. IDs must be unique", twice).with("ids", twice...)
	}
	return nil
}
