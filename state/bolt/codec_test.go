package bolt

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crmsync/state"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// someTime is what every time in a golden value is.
var someTime = time.Date(2026, 11, 18, 15, 42, 9, 318204511, time.UTC)

// populate sets everything in v to something that is not zero, so that a
// member that is not persisted shows.
func populate(t *testing.T, v reflect.Value) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(someTime))
		return
	case v.Type() == reflect.TypeFor[packedTime]():
		v.Set(reflect.ValueOf(packedTime(someTime)))
		return
	case v.Type() == reflect.TypeFor[state.Status]():
		v.SetString(string(state.Dead))
		return
	case v.Type() == reflect.TypeFor[state.Lane]():
		v.Set(reflect.ValueOf(state.Lane{Object: "contact", Key: "84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d71"}))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name == "Object" {
				v.Field(i).SetString("company")
			} else {
				populate(t, v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		populate(t, v.Index(0))
		populate(t, v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		populate(t, key)
		populate(t, value)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(7)
	default:
		t.Fatalf("no value for a %s: teach populate", v.Type())
	}
}

func populated[T any](t *testing.T) T {
	t.Helper()
	var v T
	populate(t, reflect.ValueOf(&v).Elem())
	return v
}

// TestGolden_persistedForms reads what earlier builds wrote. When it fails the
// form has changed: files in the field could not be read any more.
func TestGolden_persistedForms(t *testing.T) {
	event := populated[state.Event](t)
	event.Seq, event.Body, event.Size = 0, nil, 0 // the key, and the payload
	plain := state.Event{ID: "m", MessageID: "m", Status: state.Pending, ReceivedAt: someTime}
	link := populated[state.Link](t)
	binding := populated[state.Binding](t)
	sums := populated[totals](t)
	format := formatBody{Program: program, Version: formatAfter(steps)}
	tests := []struct {
		name   string
		value  any
		encode func() ([]byte, error)
		decode func([]byte) (any, error)
	}{
		{"event", event, func() ([]byte, error) { return encodeEvent(&event) },
			func(b []byte) (any, error) { return decodeEvent(0, b) }},
		{"event_plain", plain, func() ([]byte, error) { return encodeEvent(&plain) },
			func(b []byte) (any, error) { return decodeEvent(0, b) }},
		{"link", link, func() ([]byte, error) { return encodeLink(&link) },
			func(b []byte) (any, error) { return decodeLink(link.Lane, b) }},
		{"binding", binding, func() ([]byte, error) { return encode(bindingBody(binding)) },
			func(b []byte) (any, error) { var v bindingBody; err := decode(b, &v); return state.Binding(v), err }},
		{"totals", sums, func() ([]byte, error) { return encode(sums) },
			func(b []byte) (any, error) { var v totals; err := decode(b, &v); return v, err }},
		{"doubt", doubtBody{At: packedTime(someTime)}, func() ([]byte, error) { return encode(doubtBody{At: packedTime(someTime)}) },
			func(b []byte) (any, error) { var v doubtBody; err := decode(b, &v); return v, err }},
		{"paused", pausedBody{Since: packedTime(someTime)}, func() ([]byte, error) { return encode(pausedBody{Since: packedTime(someTime)}) },
			func(b []byte) (any, error) { var v pausedBody; err := decode(b, &v); return v, err }},
		{"keys", goldenKeys(), func() ([]byte, error) { return goldenKeys(), nil },
			func(b []byte) (any, error) { return b, nil }},
		{"format", format, func() ([]byte, error) { return encode(format) },
			func(b []byte) (any, error) { var v formatBody; err := decode(b, &v); return v, err }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			encoded, err := tt.encode()
			if err != nil {
				t.Fatal(err)
			}
			golden := golden(t, tt.name, encoded)
			if diff := cmp.Diff(hex.Dump(encoded), hex.Dump(golden)); diff != "" {
				t.Errorf("encoding changed (-got +golden):\n%s", diff)
			}
			decoded, err := tt.decode(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(decoded, tt.value) {
				t.Errorf("decoded\n%+v, want\n%+v", decoded, tt.value)
			}
			for n := range golden { // cut short at every length
				_, _ = tt.decode(golden[:n]) // must not panic
			}
		})
	}
}

// goldenKeys is one key of every form, one after the other.
func goldenKeys() []byte {
	uuid := "84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d71"
	var b []byte
	for _, key := range [][]byte{
		packID(uuid), packID("msg_1"), seqKey(7), queueKey(maskOf(objects[1:]...), 7), delayedKey(maskOf("company"), someTime, 7),
		laneKey(state.Lane{Object: "activity", Key: uuid}),
		waitingKey(state.Waiting{Kind: state.WaitValue, Target: state.Lane{Object: "company", Key: "o"}, Record: state.Lane{Object: "contact", Key: "u"}}),
	} {
		b = append(b, key...)
	}
	return b
}

// golden returns the checked-in bytes.
func golden(t *testing.T, name string, now []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".hex")
	if *update {
		if err := os.WriteFile(path, []byte(hex.EncodeToString(now)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestIDs_comeBackExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9a-fA-F]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)).Draw(t, "id")
		got, err := unpackID(packID(id))
		if err != nil || got != id {
			t.Fatalf("%q became %q, %v", id, got, err)
		}
	})
}

func TestTimes_comeBackExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()
		b, err := packedTime(want).MarshalBinary()
		var got packedTime
		if err == nil && !want.IsZero() {
			err = got.UnmarshalBinary(b)
		}
		if err != nil || !time.Time(got).Equal(want) {
			t.Fatalf("%v became %v, %v", want, time.Time(got), err)
		}
	})
}

func TestWaitingKeys_comeBackExactly(t *testing.T) {
	lane := rapid.Custom(func(t *rapid.T) state.Lane {
		return state.Lane{
			Object: rapid.SampledFrom(objects[1:]).Draw(t, "object"),
			Key:    string(rapid.SliceOfN(rapid.Byte(), 1, maxKey).Draw(t, "key")),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := state.Waiting{
			Kind:   rapid.SampledFrom([]state.WaitKind{state.WaitLink, state.WaitValue}).Draw(t, "kind"),
			Target: lane.Draw(t, "target"), Record: lane.Draw(t, "record"),
		}
		got, err := parseWaiting(waitingKey(want))
		if err != nil || got != want {
			t.Fatalf("%+v became %+v, %v", want, got, err)
		}
	})
}

// FuzzDecode feeds damaged values to everything that reads the file.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeEvent(1, b)
		_, _ = decodeLink(state.Lane{Object: "contact", Key: "k"}, b)
		_, _ = parseWaiting(b)
		_, _ = parseLane(b)
		_, _ = unpackID(b)
		_, _ = decodeTotals(b)
		_, _ = parseDelayed(b)
		if len(b) >= metaSize {
			_, _ = parseMeta(b)
		}
		p, err := newPayloads()
		if err != nil {
			t.Fatal(err)
		}
		if body, err := p.unpack(b); err == nil && len(body) != payloadSize(b) {
			t.Errorf("size %d, body of %d bytes", payloadSize(b), len(body))
		}
	})
}
