package state

import "testing"

func TestBinding_Fits(t *testing.T) {
	b := Binding{Kind: "hubspot", Account: "h/5", IDField: "id", Namespace: "n"}
	for account, want := range map[string]bool{
		"h/5": true, "h": true, "": true, "h/5/eu": true,
		"h/6": false, "h/55": false, "h:1": false, "h:1/5": false, "h/": false, "g/5": false,
	} {
		c := b
		c.Account = account
		if b.Fits(c) != want || c.Fits(b) != want {
			t.Errorf("%q: got %t and %t, want %t", account, b.Fits(c), c.Fits(b), want)
		}
	}
	for name, c := range map[string]Binding{
		"CRM":       {Kind: "sandbox", Account: "h/5", IDField: "id", Namespace: "n"},
		"id field":  {Kind: "hubspot", Account: "h/5", IDField: "key", Namespace: "n"},
		"namespace": {Kind: "hubspot", Account: "h/5", IDField: "id"},
	} {
		if b.Fits(c) || c.Fits(b) {
			t.Errorf("another %s fits", name)
		}
	}
}
