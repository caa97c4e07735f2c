package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxInputs is the most that one batch of objects may hold.
// https://developers.hubspot.com/docs/api-reference/crm-objects-v3/guide
const maxInputs = 100

// object is a record as it is answered.
type object struct {
	ID         string             `json:"id"`
	New        *bool              `json:"new,omitempty"` // of upserts only
	TraceID    string             `json:"objectWriteTraceId,omitempty"`
	Properties map[string]*string `json:"properties"`
	CreatedAt  string             `json:"createdAt"`
	UpdatedAt  string             `json:"updatedAt"`
	Archived   bool               `json:"archived"`
	ArchivedAt string             `json:"archivedAt,omitempty"`
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// show returns r with the named properties; one without a value is null.
func (t *table) show(r *record, names []string) object {
	o := object{
		ID: r.id, Properties: map[string]*string{},
		CreatedAt: stamp(r.createdAt), UpdatedAt: stamp(r.updatedAt), Archived: r.archived,
	}
	if r.archived {
		o.ArchivedAt = stamp(r.archivedAt)
	}
	for _, name := range names {
		if _, known := t.properties[name]; known {
			o.Properties[name] = nil
		}
		if value, ok := r.values[name]; ok {
			o.Properties[name] = &value
		}
	}
	o.Properties["hs_object_id"] = &o.ID
	for _, name := range []string{"createdate", "hs_createdate", "lastmodifieddate", "hs_lastmodifieddate"} {
		if _, asked := o.Properties[name]; asked && strings.Contains(name, "create") {
			o.Properties[name] = &o.CreatedAt
		} else if asked {
			o.Properties[name] = &o.UpdatedAt
		}
	}
	return o
}

// idInput names a record.
type idInput struct {
	ID string `json:"id"`
}

type readInput struct {
	Inputs     []idInput `json:"inputs"`
	Properties []string  `json:"properties"`
	History    []string  `json:"propertiesWithHistory"`
	IDProperty string    `json:"idProperty,omitempty"`
}

// readBatch answers what it finds; one error names all that it does not.
func (s *Server) readBatch(c *call) (reply, *apiError) {
	var in readInput
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if e := checkCount(len(in.Inputs), maxInputs); e != nil {
		return reply{}, e
	}
	if in.IDProperty != "" && in.IDProperty != "hs_object_id" && !c.object.isUnique(in.IDProperty) {
		return reply{}, invalid("%s is not a unique property of %s", in.IDProperty, c.object.name)
	}
	b := s.newBatch(c)
	shown := in.Properties
	if len(shown) == 0 {
		shown = c.object.shown
	}
	archived := c.query("archived", "false") == "true"
	seen := map[string]bool{}
	for _, input := range in.Inputs {
		r, ok := c.object.find(in.IDProperty, input.ID, archived)
		switch {
		case !ok:
			b.missing = append(b.missing, input.ID)
		case !seen[r.id]:
			seen[r.id] = true
			b.results = append(b.results, c.object.show(r, shown))
		}
	}
	return b.reply(http.StatusOK), nil
}

// find looks a record up by id or by a unique property.
func (t *table) find(property, id string, archived bool) (*record, bool) {
	if property != "" && property != "hs_object_id" {
		if archived {
			return t.findArchived(property, id)
		}
		id = t.unique[property][folded(id)]
	}
	r, ok := t.records[id]
	return r, ok && r.archived == archived
}

func (t *table) findArchived(property, value string) (*record, bool) {
	for _, id := range slices.Backward(t.ids()) {
		if r := t.records[id]; r.archived && folded(r.values[property]) == folded(value) {
			return r, true
		}
	}
	return nil, false
}

// archiveBatch accepts ids that are gone already.
func (s *Server) archiveBatch(c *call) (reply, *apiError) {
	var in struct {
		Inputs []idInput `json:"inputs"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if e := checkCount(len(in.Inputs), maxInputs); e != nil {
		return reply{}, e
	}
	for _, input := range in.Inputs {
		s.archive(c, c.object, input.ID)
	}
	return reply{status: http.StatusNoContent}, nil
}

func (s *Server) createOne(c *call) (reply, *apiError) {
	var in createInput
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	r, _, e := s.create(c, in)
	if e != nil {
		return reply{}, e
	}
	return reply{http.StatusCreated, c.object.show(r, slices.Collect(maps.Keys(in.Properties)))}, nil
}

func (s *Server) readOne(c *call) (reply, *apiError) {
	r, ok := c.one()
	if !ok {
		return reply{}, notFound()
	}
	return reply{http.StatusOK, c.object.show(r, c.shown())}, nil
}

func (s *Server) updateOne(c *call) (reply, *apiError) {
	var in struct {
		Properties map[string]string `json:"properties"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	before, ok := c.one()
	if !ok {
		return reply{}, notFound()
	}
	r, _, e := s.write(c, before, in.Properties)
	if e != nil {
		return reply{}, e
	}
	return reply{http.StatusOK, c.object.show(r, slices.Collect(maps.Keys(in.Properties)))}, nil
}

func (s *Server) archiveOne(c *call) (reply, *apiError) {
	s.archive(c, c.object, c.r.PathValue("id"))
	return reply{status: http.StatusNoContent}, nil
}

// one finds the record that the path names; unlike batches, single requests
// know the ids of records that were merged into another.
func (c *call) one() (*record, bool) {
	id := c.r.PathValue("id")
	if into, ok := c.object.merged[id]; ok {
		id = into
	}
	return c.object.find(c.query("idProperty", ""), id, c.query("archived", "false") == "true")
}

// shown lists the properties that the query asks for.
func (c *call) shown() []string {
	if names := c.query("properties", ""); names != "" {
		return strings.Split(names, ",")
	}
	return c.object.shown
}

// list pages through all records, oldest first.
func (s *Server) list(c *call) (reply, *apiError) {
	limit, e := c.limit(10, maxInputs)
	if e != nil {
		return reply{}, e
	}
	archived := c.query("archived", "false") == "true"
	after := c.query("after", "0")
	page := page[object]{Results: []object{}}
	for _, id := range c.object.ids() {
		r := c.object.records[id]
		if r.archived != archived || compareIDs(id, after) <= 0 {
			continue
		}
		if len(page.Results) == limit {
			page.continueAfter(page.Results[limit-1].ID)
			break
		}
		page.Results = append(page.Results, c.object.show(r, c.shown()))
	}
	return reply{http.StatusOK, page}, nil
}

// limit reads the page size.
func (c *call) limit(usual, most int) (int, *apiError) {
	limit, err := strconv.Atoi(c.query("limit", strconv.Itoa(usual)))
	if err != nil || limit < 1 || limit > most {
		return 0, invalid("limit has to be between 1 and %d", most)
	}
	return limit, nil
}

// page is one page of a list.
type page[T any] struct {
	Results []T     `json:"results"`
	Paging  *paging `json:"paging,omitempty"`
}

type paging struct {
	Next struct {
		After string `json:"after"`
	} `json:"next"`
}

func (p *page[T]) continueAfter(after string) {
	p.Paging = &paging{}
	p.Paging.Next.After = after
}
