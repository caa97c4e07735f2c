// Package apispec checks exchanges with HubSpot, or with the sandbox that
// stands in for it, against a definition of the API. It is for tests: the
// sandbox's own, so that it answers in the right shape, and the adapter's, so
// that it asks in the right shape.
//
// The definition is openapi.yaml, written by hand from the public
// documentation and limited to what crmsync uses: what it does not know is an
// error.
//
// Example:
//
//	spec, err := apispec.Load()
//	if err != nil {
//		return err
//	}
//	crm := sandbox.New(sandbox.Options{Observe: func(e sandbox.Exchange) {
//		if err := spec.CheckRequest(e); err != nil {
//			t.Error(err)
//		}
//	}})
package apispec
