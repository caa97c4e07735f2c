package mapping

import (
	"time"

	"crmsync/crm"
)

// Event is a decoded event. Members of the payload that are absent, null or of
// the wrong type are nil; the original is in Raw.
type Event struct {
	ID        string
	MessageID string
	Type      string // as sent
	Kind      Kind
	Verb      Verb
	Timestamp time.Time // UTC, nanoseconds: the version of the event
	Key       string    // natural key: id of the call, user or organisation
	Lanes     []Lane    // the records that the event may write

	Call *Call // of calls
	User *User // of users, and the user of a call
	Org  *Org  // of organisations

	// Raw is the body, the members of its payload beside those of the
	// envelope. Numbers are int (integers up to 2^53) or float64.
	Raw map[string]any
	// Warnings name, by path, what could not be used. They quote no value.
	Warnings []string
}

// object is what the subject of an event becomes in the CRM.
func (k Kind) object() crm.Object {
	switch k {
	case KindCall:
		return crm.Activity
	case KindUser:
		return crm.Contact
	default:
		return crm.Company
	}
}

// The structs below are the payload as expressions see it. Scalars are
// pointers, so that an absent member is nil and never "" or 0. They have no
// methods, because expressions could call them.

// Call is payload.call.
type Call struct {
	ID          *string    `expr:"id" json:"id"`
	OrgID       *string    `expr:"orgId" json:"orgId"`
	Title       *string    `expr:"title" json:"title"`
	CreatedAt   *time.Time `expr:"createdAt" json:"createdAt"`
	Stats       *Stats     `expr:"stats" json:"stats"`
	ProspectIDs []string   `expr:"prospectIds" json:"prospectIds"`
	Prospects   []Prospect `expr:"prospects" json:"prospects"`
	Analysis    []Analysis `expr:"analysis" json:"analysis"`
	Transcript  []Turn     `expr:"transcript" json:"transcript"`
	User        *User      `expr:"user" json:"user"`     // of the call or, without one, of the payload
	UserID      *string    `expr:"userId" json:"userId"` // likewise
}

// Stats is payload.call.stats.
type Stats struct {
	Duration *float64 `expr:"duration" json:"duration"` // unit: Config.DurationUnit
}

// Analysis is one assessment of a call.
type Analysis struct {
	AnalysisType        *string  `expr:"analysisType" json:"analysisType"`
	Score               *float64 `expr:"score" json:"score"`
	Summary             *string  `expr:"summary" json:"summary"`
	ActionItems         []string `expr:"actionItems" json:"actionItems"`
	Competitors         []string `expr:"competitors" json:"competitors"`
	CustomerChallenges  []string `expr:"customerChallenges" json:"customerChallenges"`
	DealDrivers         []string `expr:"dealDrivers" json:"dealDrivers"`
	MissedOpportunities []string `expr:"missedOpportunities" json:"missedOpportunities"`
	Objections          []string `expr:"objections" json:"objections"`
	ProductPositioning  []string `expr:"productPositioning" json:"productPositioning"`
	Products            []string `expr:"products" json:"products"`
	SalesStrengths      []string `expr:"salesStrengths" json:"salesStrengths"`
}

// Prospect is the AI persona that a user talked to: nobody to write into a CRM.
type Prospect struct {
	ID       *string  `expr:"id" json:"id"`
	Name     *string  `expr:"name" json:"name"`
	ImageURL *string  `expr:"imageUrl" json:"imageUrl"`
	Details  *Details `expr:"details" json:"details"`
}

// Details describe a persona.
type Details struct {
	AdditionalInfo           *string  `expr:"additionalInfo" json:"additionalInfo"`
	Age                      *float64 `expr:"age" json:"age"`
	BudgetAuthority          *string  `expr:"budgetAuthority" json:"budgetAuthority"`
	CommunicationStyle       *string  `expr:"communicationStyle" json:"communicationStyle"`
	CompanyName              *string  `expr:"companyName" json:"companyName"`
	CompanySize              *float64 `expr:"companySize" json:"companySize"`
	DecisionMakingProcess    *string  `expr:"decisionMakingProcess" json:"decisionMakingProcess"`
	Difficulty               *string  `expr:"difficulty" json:"difficulty"`
	Education                *string  `expr:"education" json:"education"`
	Gender                   *string  `expr:"gender" json:"gender"`
	Goals                    *string  `expr:"goals" json:"goals"`
	Industry                 *string  `expr:"industry" json:"industry"`
	InformationSources       *string  `expr:"informationSources" json:"informationSources"`
	JobTitle                 *string  `expr:"jobTitle" json:"jobTitle"`
	KeyPerformanceIndicators *string  `expr:"keyPerformanceIndicators" json:"keyPerformanceIndicators"`
	KeyResponsibilities      *string  `expr:"keyResponsibilities" json:"keyResponsibilities"`
	Nationality              *string  `expr:"nationality" json:"nationality"`
	NewTechnologyAttitude    *string  `expr:"newTechnologyAttitude" json:"newTechnologyAttitude"`
	ObjectionsToNewTools     *string  `expr:"objectionsToNewTools" json:"objectionsToNewTools"`
	PainPoints               *string  `expr:"painPoints" json:"painPoints"`
	PersonalMotivations      *string  `expr:"personalMotivations" json:"personalMotivations"`
	PreferredVendors         *string  `expr:"preferredVendors" json:"preferredVendors"`
	TechSavviness            *float64 `expr:"techSavviness" json:"techSavviness"`
	YearsOfExperience        *float64 `expr:"yearsOfExperience" json:"yearsOfExperience"`
}

// Turn is one utterance of a transcript, whoever speaks.
type Turn struct {
	CreatedAt    *time.Time `expr:"createdAt" json:"createdAt"`
	SpeakerName  *string    `expr:"speakerName" json:"speakerName"`
	ProspectText *string    `expr:"prospectText" json:"prospectText"`
	ProspectID   *string    `expr:"prospectId" json:"prospectId"`
}

// User is a person of the platform: what a contact is made from.
type User struct {
	ID            *string    `expr:"id" json:"id"`
	OrgID         *string    `expr:"orgId" json:"orgId"`
	Email         *string    `expr:"email" json:"email"` // nil unless it is a valid address
	Name          *string    `expr:"name" json:"name"`
	Role          *string    `expr:"role" json:"role"`
	Status        *string    `expr:"status" json:"status"`
	ManagerID     *string    `expr:"managerId" json:"managerId"`
	TeamID        *string    `expr:"teamId" json:"teamId"`
	CustomerID    *string    `expr:"customerId" json:"customerId"`
	Image         *string    `expr:"image" json:"image"`
	Streak        *float64   `expr:"streak" json:"streak"`
	LongestStreak *float64   `expr:"longestStreak" json:"longestStreak"`
	CreatedAt     *time.Time `expr:"createdAt" json:"createdAt"`
}

// Org is an organisation: what a company is made from.
type Org struct {
	ID        *string    `expr:"id" json:"id"`
	Name      *string    `expr:"name" json:"name"`
	Image     *string    `expr:"image" json:"image"`
	Status    *string    `expr:"status" json:"status"`
	CreatedAt *time.Time `expr:"createdAt" json:"createdAt"`
}
