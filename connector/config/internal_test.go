package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/kelseyhightower/envconfig"
)

// TestInput_NamesAreThoseOfEnvconfig compares the name tags with what envconfig
// makes of the names of the fields.
func TestInput_NamesAreThoseOfEnvconfig(t *testing.T) {
	rows := coreSettings()
	for _, row := range rows {
		t.Setenv(row.variable, "text of "+row.variable)
	}
	var in input
	if err := envconfig.Process("crmsync", &in); err != nil {
		t.Fatal(err)
	}
	fields := reflect.ValueOf(&in).Elem()
	if fields.NumField() != len(rows) {
		t.Fatalf("got %d rows for %d fields", len(rows), fields.NumField())
	}
	for i, row := range rows {
		if got, want := fields.Field(i).Addr().Interface().(*value).text, "text of "+row.variable; got != want {
			t.Errorf("field %s: got %q, want %q", fields.Type().Field(i).Name, got, want)
		}
		if row.help == "" || row.group == "" {
			t.Errorf("%s has no help or no group", row.variable)
		}
	}
}

func TestParseEnvFile(t *testing.T) {
	text := "\ufeff# comment\r\n\n  \t# indented comment\nA=1\n  B= two words \r\nC=\"quoted\" # kept\nD=a=b=c\nE=\n"
	got, err := parseEnvFile(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []assignment{{"A", "1"}, {"B", " two words "}, {"C", `"quoted" # kept`}, {"D", "a=b=c"}, {"E", ""}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for text, says := range map[string]string{
		"A=1\nA":          "line 2 has no =",
		"A=1\n\n=x":       "line 3 has no valid name",
		"A B=x":           "line 1 has no valid name",
		"export A=x":      "line 1 has no valid name",
		"A=1\n# x\nA=two": "line 3 sets A a second time",
	} {
		if _, err := parseEnvFile(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %s", text, err, says)
		}
	}
}

// FuzzParseEnvFile writes what was read and reads it again.
func FuzzParseEnvFile(f *testing.F) {
	for _, seed := range []string{"A=1\nB=\"x\"\n", "# c\r\n\r\nA= x \r\n", "\ufeffA=b=c", "A", "=", "A=1\nA=2", " A=\t"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseEnvFile(text)
		if err != nil {
			return
		}
		var b strings.Builder
		for _, a := range first {
			b.WriteString(a.name + "=" + a.value + "\n")
		}
		again, err := parseEnvFile(b.String())
		if err != nil || !reflect.DeepEqual(first, again) {
			t.Errorf("read %q, then %q (%v)", first, again, err)
		}
	})
}

// FuzzMembers looks for JSON that is not refused in an orderly way.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"a":"b"}`, `{"a":"b","a":""}`, `{"a"`, `{1:2}`, `{"a":null}`, `[]`, `"x"`, ``, `{} {}`, `{"a":"b",}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := members[string](text)
		if (got == nil) == (err == nil) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	})
}

func TestSplitAddress(t *testing.T) {
	for text, loopback := range map[string]bool{
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "127.0.0.1:0": true, "127.9.9.9:1": true, "[::1]:80": true, "localhost:80": true, "db.internal:65535": false,
	} {
		a := splitAddress(text)
		if a == nil || a.loopback() != loopback {
			t.Errorf("%s: got %+v, want loopback %t", text, a, loopback)
		}
	}
	for _, text := range []string{"", ":", "80", ":-1", ":65536", ":http", "::1:80", "[::1]", "[x]:80", "[127.0.0.1:80", "a b:80", "http://h:80", "u@h:80"} {
		if a := splitAddress(text); a != nil {
			t.Errorf("%q: got %+v, want none", text, a)
		}
	}
}
