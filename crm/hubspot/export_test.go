package hubspot

// NewOver is New for another network than the real one.
var NewOver = newClient
