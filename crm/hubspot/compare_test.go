package hubspot

import "testing"

func TestForm_IsOfTheValueAlone(t *testing.T) {
	for _, tt := range []struct {
		field, sent, shown string
		same               bool
	}{
		{"email", "Jonas@Sales.example", "jonas@sales.example", true},
		{"email", "jonas@sales.example", "jon@sales.example", false},
		{"score", "83", "83.0", true},
		{"score", "83.5", "83.50", true},
		{"score", "83", "84", false},
		{"at", "2026-05-01T08:30:00.000Z", "2026-05-01T08:30:00Z", true},
		{"at", "1777624200000", "2026-05-01T08:30:00Z", true},
		{"on", "2026-05-01", "1777593600000", true},
		{"on", "2026-05-01", "2026-05-02", false},
		{"flag", "true", "TRUE", true},
		{"flag", "true", "false", false},
		{"choice", "b;a", "a;b", true},
		{"choice", "a;b", "a", false},
		{"body", "<p>Hello<br>there</p>", "<div><p>Hello</p> there</div>", true},
		{"body", "<p>Hello &amp; bye</p>", "<p>Hello & bye</p>", true},
		{"body", "<p>Hello</p>", "<p>Hello, edited</p>", false},
		{"body", "<p><strong>Score</strong> 7</p><ul><li>One</li></ul>", "<div><p style=\"margin:0\"><b>Score</b> 7</p>\n<ul>\n<li>One</li>\n</ul></div>", true},
		{"body", "<p>Hello there</p>", "<p>Hello <b>there</b></p>", false},
		{"body", "<p>Hello there</p>", `<p>Hello <a href="https://x.example">there</a></p>`, false},
		{"body", `<p><a href="https://x.example">there</a></p>`, `<p><a href="https://x.example" target="_blank">there</a></p>`, true},
		{"body", `<p><a href="https://x.example">there</a></p>`, `<p><a href="https://y.example">there</a></p>`, false},
		{"body", "<p>One</p>", "<ul><li>One</li></ul>", false},
		{"title", " Rep ", "Rep", true},
		{"title", "a  b\r\n", "a b", true},
		{"title", "Rep", "rep", false},
		{"zip", "01234", "1234", false},
		{"phone", "+4930123", "4930123", false},
		{"title", "", "", true},
		{"title", "", "x", false},
	} {
		if got := form(tt.field, tt.sent) == form(tt.field, tt.shown); got != tt.same {
			t.Errorf("%s: %q and %q: got the same %t", tt.field, tt.sent, tt.shown, got)
		}
	}
}
