package sandbox

import (
	"net/http"
	"slices"
	"strings"
)

// maxOwners is the largest page of owners.
const maxOwners = 500

// Owner is a person or a queue that can own records.
type Owner struct {
	ID        string
	UserID    int // not what goes into hubspot_owner_id
	Email     string
	FirstName string
	LastName  string
	Queue     bool // not a person
	Archived  bool // deactivated
}

// ownerBody is an owner as it is answered.
type ownerBody struct {
	ID        string `json:"id"`
	Email     string `json:"email"`
	Type      string `json:"type"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	UserID    int    `json:"userId"`
	Archived  bool   `json:"archived"`
	CreatedAt string `json:"createdAt"`
	UpdatedAt string `json:"updatedAt"`
}

func (c *call) showOwner(o Owner) ownerBody {
	kind := "PERSON"
	if o.Queue {
		kind = "QUEUE"
	}
	return ownerBody{
		ID: o.ID, Email: o.Email, Type: kind, FirstName: o.FirstName, LastName: o.LastName,
		UserID: o.UserID, Archived: o.Archived, CreatedAt: stamp(c.now), UpdatedAt: stamp(c.now),
	}
}

// canOwn says whether records may be given to the owner.
func (s *Server) canOwn(id string) bool {
	return slices.ContainsFunc(s.owners, func(o Owner) bool { return o.ID == id && !o.Archived })
}

// listOwners pages through the owners in the order of Options.Owners.
func (s *Server) listOwners(c *call) (reply, *apiError) {
	limit, e := c.limit(100, maxOwners)
	if e != nil {
		return reply{}, e
	}
	archived := c.query("archived", "false") == "true"
	email := c.query("email", "")
	after := c.query("after", "")
	list := page[ownerBody]{Results: []ownerBody{}}
	skipping := after != ""
	for _, o := range s.owners {
		switch {
		case skipping:
			skipping = o.ID != after
		case o.Archived != archived || email != "" && !strings.EqualFold(o.Email, email):
		case len(list.Results) == limit:
			list.continueAfter(list.Results[limit-1].ID)
			return reply{http.StatusOK, list}, nil
		default:
			list.Results = append(list.Results, c.showOwner(o))
		}
	}
	return reply{http.StatusOK, list}, nil
}

func (s *Server) readOwner(c *call) (reply, *apiError) {
	for _, o := range s.owners {
		if o.ID == c.r.PathValue("id") {
			return reply{http.StatusOK, c.showOwner(o)}, nil
		}
	}
	return reply{}, notFound()
}
