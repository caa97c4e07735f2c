package app

import "net/http"

// backup streams a copy of the state file.
func (a *api) backup(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-store")
	out := &startedWriter{ResponseWriter: w}
	err := a.ledger.Backup(r.Context(), out)
	switch {
	case err == nil:
	case !out.started:
		a.refuse(w, r, err)
	default:
		if r.Context().Err() == nil {
			a.log.Error("backup broke off", "error", err)
		}
		panic(http.ErrAbortHandler) // only a broken connection tells the client that a stream is not whole
	}
}

// startedWriter remembers whether the answer has begun.
type startedWriter struct {
	http.ResponseWriter
	started bool
}

func (w *startedWriter) Write(p []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(p)
}
