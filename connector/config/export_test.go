package config

// Variables returns the names of all variables, for tests.
func Variables(adapters []Adapter) []string {
	names := variables(coreSettings())
	for _, a := range adapters {
		names = append(names, variables(a.settings())...)
	}
	return names
}

// ParseEnvFile returns the assignments of an environment file, for tests.
func ParseEnvFile(text string) (map[string]string, error) {
	lines, err := parseEnvFile(text)
	out := map[string]string{}
	for _, line := range lines {
		out[line.name] = line.value
	}
	return out, err
}
