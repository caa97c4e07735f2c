package mapping

import (
	"embed"
	"strings"
	"time"

	"crmsync/crm"
)

//go:embed samples
var sampleFiles embed.FS

// Sample names an event that expressions are tried on. The people in it are
// made up.
type Sample struct {
	Name   string // to be read after "for", such as "a call of one hour"
	Sparse bool   // the event has its ids and nothing else
}

// sample is a Sample and its event.
type sample struct {
	Sample
	event *Event
}

// sampleText is how many characters are said in the sample of a call: as much
// as in an hour at 140 words a minute.
const sampleText = 140 * 60 * 6

// samplesOf returns the events that an object is made from: first those that
// have every member, then what may be absent is absent. The last one of users
// and organisations is the first one deleted.
func samplesOf(o crm.Object) []sample {
	switch o {
	case crm.Activity:
		return []sample{
			{Sample{Name: "a call of one hour"}, sampleCall()},
			{Sample{Name: "a call of which only the id is known", Sparse: true}, sparseSample("call.completed", "call")},
		}
	case crm.Contact:
		return []sample{
			{Sample{Name: "a user"}, fullSample("user", nil)},
			{Sample{Name: "the user of a call"}, sampleCall()},
			{Sample{Name: "a user of whom only the id is known", Sparse: true}, sparseSample("user.created", "user")},
			{Sample{Name: "a user who was deleted"}, fullSample("user", strings.NewReplacer("user.updated", "user.deleted"))},
		}
	default:
		return []sample{
			{Sample{Name: "an organisation"}, fullSample("org", nil)},
			{Sample{Name: "an organisation of which only the id is known", Sparse: true}, sparseSample("org.updated", "org")},
			{Sample{Name: "an organisation that was deleted"}, fullSample("org", strings.NewReplacer("org.updated", "org.deleted"))},
		}
	}
}

// fullSample decodes a sample file, changed as a replacer says.
func fullSample(name string, change *strings.Replacer) *Event {
	body, err := sampleFiles.ReadFile("samples/" + name + ".json")
	if err != nil {
		panic(err) // the files are compiled in
	}
	if change != nil {
		body = []byte(change.Replace(string(body)))
	}
	return mustDecode(body)
}

func sparseSample(typ, subject string) *Event {
	return mustDecode([]byte(`{"id":"crmsync-sample-sparse-event","type":"` + typ + `","timestamp":"2026-11-18T16:42:09Z",` +
		`"payload":{"` + subject + `":{"id":"0f6f6a52-5a2c-4a65-b6a0-6f4f4f6e7a11"}}}`))
}

// mustDecode decodes what is compiled in.
func mustDecode(body []byte) *Event {
	ev, err := Decode(Delivery{MessageID: "msg_sample", Body: body, ReceivedAt: time.Date(2026, time.November, 18, 17, 0, 0, 0, time.UTC)})
	if err != nil {
		panic(err)
	}
	return ev
}

// sampleCall repeats the conversation of a call for an hour.
func sampleCall() *Event {
	ev := fullSample("call", nil)
	turns := ev.Call.Transcript
	said := 0
	for i := 0; said < sampleText; i++ {
		turn := turns[i%len(turns)]
		at := ev.Call.CreatedAt.Add(time.Duration(i) * 8 * time.Second)
		turn.CreatedAt = &at
		said += len(*turn.ProspectText)
		ev.Call.Transcript = append(ev.Call.Transcript, turn)
	}
	ev.Call.Transcript = ev.Call.Transcript[len(turns):]
	return ev
}

// sampleOwners lets owner() find the people of the samples.
func sampleOwners() Owners {
	return Owners{"jonas.weber@brightsales.example": "1", "lena.okafor@brightsales.example": "1"}
}
