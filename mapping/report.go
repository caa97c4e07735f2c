package mapping

import "strings"

// scorecard is what a sales manager wants to see of a call: each analysis with
// its score, its summary and the lists that are not empty.
func scorecard(c *Call) document {
	if c.Analysis == nil {
		return nil
	}
	d := document{}
	for _, a := range c.Analysis {
		title := block{label: "Analysis", gap: true}
		if s := textOf(a.AnalysisType); s != "" {
			title.label = s
		}
		if a.Score != nil {
			title.label += ":"
			title.text = "score " + formatNumber(*a.Score)
		}
		d = append(d, title)
		if s := textOf(a.Summary); s != "" {
			d = append(d, block{text: s})
		}
		for _, l := range lists(a) {
			if len(l.items) > 0 {
				d = append(d, block{label: l.label + ":", items: l.items, gap: true})
			}
		}
	}
	return d
}

// lists returns the lists of an analysis in the order in which people read
// them.
func lists(a Analysis) []block {
	return []block{
		{label: "Strengths", items: a.SalesStrengths},
		{label: "Missed opportunities", items: a.MissedOpportunities},
		{label: "Action items", items: a.ActionItems},
		{label: "Objections", items: a.Objections},
		{label: "Customer challenges", items: a.CustomerChallenges},
		{label: "Deal drivers", items: a.DealDrivers},
		{label: "Competitors", items: a.Competitors},
		{label: "Products", items: a.Products},
		{label: "Product positioning", items: a.ProductPositioning},
	}
}

// transcript is what was said, turn by turn, and by whom.
func transcript(c *Call) document {
	if c.Transcript == nil {
		return nil
	}
	personas := map[string]bool{}
	for _, p := range c.Prospects {
		personas[textOf(p.Name)] = true
	}
	rep := ""
	if c.User != nil {
		rep = textOf(c.User.Name)
	}
	d := document{}
	for _, t := range c.Transcript {
		said := textOf(t.ProspectText)
		if said == "" {
			continue
		}
		d = append(d, block{label: speaker(textOf(t.SpeakerName), rep, personas), text: said})
	}
	return d
}

// speaker labels the speaker of a turn. The name is the only hint: the payload
// has one text for both sides of a call.
func speaker(name, rep string, personas map[string]bool) string {
	switch {
	case name == "":
		return ""
	case personas[name]:
		return "[AI prospect] " + name + ":"
	case name == rep:
		return "[Rep] " + name + ":"
	default:
		return name + ":"
	}
}

// textOf returns the cleaned text that p points to, without white space around
// it; "" for nil.
func textOf(p *string) string {
	if p == nil {
		return ""
	}
	return strings.TrimSpace(clean(*p))
}
