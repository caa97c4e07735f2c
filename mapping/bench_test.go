package mapping

import (
	"bytes"
	"testing"
)

// longCall is a call with a transcript of about size bytes.
func longCall(tb testing.TB, size int) []byte {
	tb.Helper()
	const turn = `{"createdAt":"2026-11-18T15:34:41.120000001","speakerName":"Jonas Weber","prospectText":"Hi Marta, thanks for \"taking\" the call."},`
	short := example(tb, "call.completed")
	marker := []byte(`"transcript":[`)
	if !bytes.Contains(short, marker) {
		tb.Fatal("the example has no transcript")
	}
	more := bytes.Repeat([]byte(turn), max(0, size-len(short))/len(turn))
	return bytes.Replace(short, marker, append(marker, more...), 1)
}

func BenchmarkPeek(b *testing.B) {
	body := longCall(b, 8<<10)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		Peek(body)
	}
}

func BenchmarkDecode(b *testing.B) {
	body := longCall(b, 256<<10)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		decoded(b, body)
	}
}

func BenchmarkMap(b *testing.B) {
	ev := decoded(b, longCall(b, 256<<10))
	m := mapper(b, map[string]string{
		"activity.title": "call.title", "activity.body": "scorecardHTML(call, 60000)",
		"activity.transcript": "transcript(call)", "activity.score": "averageScore(call)",
		"contact.email": "user.email", "contact.last": "lastName(user.name)",
	})
	b.ReportAllocs()
	for b.Loop() {
		m.Map(ev, nil)
	}
}
