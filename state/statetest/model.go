package statetest

import "testing"

func runModel(t *testing.T, h Harness) {}
