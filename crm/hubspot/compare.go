package hubspot

import (
	"context"
	"math/big"
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"crmsync/crm"
)

// Compare implements crm.Comparer. It makes one request, and a second one when
// there are records to adopt that do not carry our key yet.
func (c *Client) Compare(ctx context.Context, o crm.Object, records []crm.Record, fields []string) ([]crm.Current, error) {
	b, err := c.newBatch(o, records)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	b.shown = fields
	found, err := b.stored(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]crm.Current, len(b.writes))
	for i, w := range b.writes {
		all[i].Fields = map[string]crm.Comparison{}
		h := found[w]
		if h == nil {
			h = &holder{}
		}
		all[i].RemoteID = h.id
		for _, name := range fields {
			if value, mapped := w.props[name]; mapped {
				all[i].Fields[name] = comparison(name, h.props[name], value, w.record.Fields[name])
			}
		}
	}
	return all, nil
}

// stored reads the records that the writes of b would go to.
func (b *batch) stored(ctx context.Context) (map[*write]*holder, error) {
	wanted := map[string][]*write{}
	for _, w := range b.writes {
		wanted[w.record.Key] = []*write{w}
	}
	found := map[*write]*holder{}
	holders, err := b.read(ctx, b.byKey(), wanted)
	for key, h := range holders {
		found[wanted[key][0]] = h
	}
	if err != nil {
		return nil, err
	}
	adoptees := map[string][]*write{}
	for _, w := range b.writes {
		if found[w] == nil && w.record.Adopted && w.record.RemoteID != "" {
			adoptees[w.record.RemoteID] = []*write{w}
		}
	}
	holders, err = b.read(ctx, byID, adoptees)
	for id, h := range holders {
		found[adoptees[id][0]] = h
	}
	return found, err
}

func comparison(name, now, value string, field any) crm.Comparison {
	return crm.Comparison{
		Change:  crm.Change{Field: name, Old: now, New: value, FullLength: cutLength(field)},
		OldForm: form(name, now), NewForm: form(name, value),
	}
}

// ordinaryNumber is how a number is written. What begins with a zero or a plus
// sign is a postcode or the number of a telephone.
var ordinaryNumber = regexp.MustCompile(`^-?(0|[1-9]\d{0,30})(\.\d{1,30})?$`)

// form reduces a value to what HubSpot leaves alone, whatever the type of its
// property: what differs only in form is the same value. That an edit of the
// form alone is overlooked is the lesser evil: a value of ours that HubSpot
// shows in another form would pass for an edit, and never be written again. What
// a person means by formatting a text counts: see marks.
func form(name, value string) string {
	value = strings.TrimSpace(value)
	if name == emailProperty {
		return folded(value)
	}
	if ordinaryNumber.MatchString(value) {
		n, _ := parseNumber(value)
		return n.RatString()
	}
	if t, ok := parseTime(value); ok && strings.Contains(value, "-") { // as milliseconds, which are sent for it too
		return new(big.Rat).SetInt64(t.UnixMilli()).RatString()
	}
	if strings.ContainsAny(value, "<&") {
		value = readable(value)
	}
	if strings.Contains(value, ";") {
		return strings.Join(choices(value), ";")
	}
	switch folded := strings.ToLower(value); folded {
	case "true", "false":
		return folded
	}
	return strings.Join(strings.Fields(value), " ")
}

// marks are the tags with which a person stresses, lists or links something.
// Others, such as div and span, HubSpot rewrites.
var marks = map[atom.Atom]string{
	atom.B: "strong", atom.Strong: "strong", atom.I: "em", atom.Em: "em", atom.U: "u",
	atom.S: "s", atom.Strike: "s", atom.Del: "s", atom.Li: "li", atom.A: "a", atom.Img: "img",
}

// readable is what a person sees of HTML: the text, and the marks in it with
// what they lead to.
func readable(value string) string {
	var b strings.Builder
	for z := html.NewTokenizer(strings.NewReader(value)); z.Next() != html.ErrorToken; {
		t := z.Token()
		switch mark := marks[t.DataAtom]; {
		case t.Type == html.TextToken:
			b.WriteString(t.Data)
		case mark != "" && t.Type == html.EndTagToken:
			b.WriteString(" </" + mark + "> ")
		case mark != "":
			b.WriteString(" <" + mark + "> ")
			for _, a := range t.Attr {
				if a.Key == "href" || a.Key == "src" {
					b.WriteString(a.Val)
				}
			}
		}
		b.WriteByte(' ')
	}
	return b.String()
}
