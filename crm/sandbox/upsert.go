package sandbox

import (
	"maps"
	"net/http"
	"slices"
)

type upsertInput struct {
	ID         string            `json:"id"`
	IDProperty string            `json:"idProperty,omitempty"`
	TraceID    string            `json:"objectWriteTraceId,omitempty"`
	Properties map[string]string `json:"properties"`
}

// upsertBatch updates the records that the ids name and creates the others.
func (s *Server) upsertBatch(c *call) (reply, *apiError) {
	if s.opts.RefuseCallUpsert && c.object.name == "calls" {
		return reply{}, newError(http.StatusMethodNotAllowed, "", http.StatusText(http.StatusMethodNotAllowed))
	}
	var in struct {
		Inputs []upsertInput `json:"inputs"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if e := checkUpsert(c.object, in.Inputs); e != nil {
		return reply{}, e
	}
	var traces []string
	for _, input := range in.Inputs {
		traces = append(traces, input.TraceID)
	}
	b := s.newBatch(c)
	e := b.each(traces, func(i int) (object, func(), *apiError) { return s.upsert(c, in.Inputs[i]) })
	if e != nil {
		return reply{}, e
	}
	return b.reply(http.StatusOK), nil
}

func checkUpsert(t *table, inputs []upsertInput) *apiError {
	if e := checkCount(len(inputs), maxInputs); e != nil {
		return e
	}
	var ids []string
	for _, input := range inputs {
		if _, known := t.properties[input.IDProperty]; !known && input.IDProperty != "" {
			return invalidValues(false, []detail{propertyError(input.IDProperty, "PROPERTY_DOESNT_EXIST", "Property %q does not exist", input.IDProperty)})
		}
		if !t.isUnique(input.IDProperty) {
			return invalid("Unable to perform update/upsert by non-unique property %q", input.IDProperty)
		}
		if input.ID == "" {
			return invalid("The id of an input is empty")
		}
		ids = append(ids, folded(input.ID))
	}
	return checkDuplicates(ids)
}

func (s *Server) upsert(c *call, input upsertInput) (object, func(), *apiError) {
	id, exists := c.object.holder(input.IDProperty, input.ID)
	values := input.Properties
	var before *record
	if exists {
		before = c.object.records[id]
	} else if _, ok := values[input.IDProperty]; !ok {
		values = maps.Clone(values)
		values[input.IDProperty] = input.ID
	}
	r, undo, e := s.write(c, before, values)
	if e != nil {
		return object{}, nil, e
	}
	result := c.object.show(r, slices.Collect(maps.Keys(values)))
	result.New = new(!exists)
	return result, undo, nil
}

type updateInput struct {
	ID         string            `json:"id"`
	TraceID    string            `json:"objectWriteTraceId,omitempty"`
	Properties map[string]string `json:"properties"`
}

// updateBatch takes record ids only.
func (s *Server) updateBatch(c *call) (reply, *apiError) {
	var in struct {
		Inputs []updateInput `json:"inputs"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	var ids, traces []string
	for _, input := range in.Inputs {
		ids, traces = append(ids, input.ID), append(traces, input.TraceID)
	}
	if e := checkCount(len(ids), maxInputs); e != nil {
		return reply{}, e
	}
	if e := checkDuplicates(ids); e != nil {
		return reply{}, e
	}
	b := s.newBatch(c)
	e := b.each(traces, func(i int) (object, func(), *apiError) {
		before, ok := c.object.live(ids[i])
		if !ok {
			return object{}, nil, notFoundItem(c.object, ids[i])
		}
		r, undo, e := s.write(c, before, in.Inputs[i].Properties)
		if e != nil {
			return object{}, nil, e
		}
		return c.object.show(r, slices.Collect(maps.Keys(in.Inputs[i].Properties))), undo, nil
	})
	if e != nil {
		return reply{}, e
	}
	return b.reply(http.StatusOK), nil
}

type createInput struct {
	TraceID      string            `json:"objectWriteTraceId,omitempty"`
	Properties   map[string]string `json:"properties"`
	Associations []inlineLink      `json:"associations,omitempty"`
}

// createBatch always creates.
func (s *Server) createBatch(c *call) (reply, *apiError) {
	var in struct {
		Inputs []createInput `json:"inputs"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if e := checkCount(len(in.Inputs), maxInputs); e != nil {
		return reply{}, e
	}
	var traces []string
	for _, input := range in.Inputs {
		traces = append(traces, input.TraceID)
	}
	b := s.newBatch(c)
	e := b.each(traces, func(i int) (object, func(), *apiError) {
		r, undo, e := s.create(c, in.Inputs[i])
		if e != nil {
			return object{}, nil, e
		}
		return c.object.show(r, slices.Collect(maps.Keys(in.Inputs[i].Properties))), undo, nil
	})
	if e != nil {
		return reply{}, e
	}
	return b.reply(http.StatusCreated), nil
}

// create makes one record with its links, whose targets have to exist.
func (s *Server) create(c *call, in createInput) (*record, func(), *apiError) {
	var targets []target
	for _, link := range in.Associations {
		t, e := s.inlineTarget(c.object, link)
		if e != nil {
			return nil, nil, e
		}
		targets = append(targets, t)
	}
	r, undo, e := s.write(c, nil, in.Properties)
	if e != nil {
		return nil, nil, e
	}
	for _, t := range targets {
		s.link(node{c.object.name, r.id}, t.node, t.types)
	}
	return r, func() {
		for _, t := range targets {
			s.unlink(node{c.object.name, r.id}, t.node)
		}
		undo()
	}, nil
}
