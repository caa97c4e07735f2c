package sandbox

import "net/http"

// usualPortal is the number of an account whose Options name none.
const usualPortal = 4711

// accountBody is the account as it is answered.
// https://developers.hubspot.com/docs/api-reference/latest/account/account-information/guide
type accountBody struct {
	PortalID              int      `json:"portalId"`
	AccountType           string   `json:"accountType"`
	TimeZone              string   `json:"timeZone"`
	CompanyCurrency       string   `json:"companyCurrency"`
	AdditionalCurrencies  []string `json:"additionalCurrencies"`
	UTCOffset             string   `json:"utcOffset"`
	UTCOffsetMilliseconds int      `json:"utcOffsetMilliseconds"`
	UIDomain              string   `json:"uiDomain"`
	DataHostingLocation   string   `json:"dataHostingLocation"`
}

func (s *Server) readAccount(*call) (reply, *apiError) {
	return reply{http.StatusOK, accountBody{
		PortalID: s.opts.Portal, AccountType: "SANDBOX", TimeZone: "UTC", CompanyCurrency: "EUR",
		AdditionalCurrencies: []string{}, UTCOffset: "+00:00", UIDomain: "app.hubspot.com", DataHostingLocation: "eu1",
	}}, nil
}
