// Package statetest is the suite that every [state.Store] passes: one subtest
// for each rule of the contract, and a state machine that compares a store
// with a model in memory through random histories. After every subtest the
// counts must add up (I9) and Verify must find nothing.
//
// Example:
//
//	func TestStore(t *testing.T) {
//		statetest.Run(t, statetest.Harness{
//			Open:   func(t testing.TB, now func() time.Time) state.Store { … },
//			Reopen: func(t testing.TB, s state.Store, now func() time.Time) state.Store { … },
//		})
//	}
package statetest
