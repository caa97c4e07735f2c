// Package config turns the environment into a [Config]. It is the only package
// that reads the environment.
//
// Every setting is a variable that starts with CRMSYNC_. One table, the tags of
// the fields of input and of the options of each adapter, drives everything:
// names, defaults, which values are secret, the example file ([Example]), the
// table of the README ([Readme]) and the settings in force
// ([Config.Redacted]).
//
// The contract:
//   - Load reports every problem in one run ([Errors]), each naming its
//     variable. No problem quotes a value: a token that was pasted into the
//     wrong variable must not end up in a log (I8).
//   - A CRMSYNC_ variable that nobody reads is a problem, with the nearest valid
//     name. The variables that Kubernetes injects for services are ignored, and
//     those of a CRM that is not the chosen one are a warning.
//   - HTTPS_PROXY and NO_PROXY are read as well. With a bad proxy no request is
//     sent: it must not go past the proxy.
//   - Every problem says what to do about it.
//   - Every secret X can be read from the file that X_FILE names.
//   - An empty value counts as unset, except CRMSYNC_MAP_<OBJECT>_<field>, where
//     it removes the field from the mapping.
//
// The variables are read through envconfig into plain text and parsed here:
// envconfig's own parser stops at the first error and prints the value.
//
// Example:
//
//	cfg, err := config.Load(config.LoadOptions{
//		Adapters: []config.Adapter{{
//			Name:    "hubspot",
//			Options: &hubspot.Options{},
//			Preset:  hubspot.Preset(),
//		}},
//	})
//	if problems, ok := errors.AsType[config.Errors](err); ok {
//		// print them and exit 2
//	}
package config
