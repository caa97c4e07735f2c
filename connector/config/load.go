package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"crmsync/crm"
	"crmsync/mapping"
)

// maxFile bounds what is read from a file that a variable names.
const maxFile = 1 << 20

// value is the text of one variable and where it came from.
type value struct {
	setting
	text   string // trimmed
	source Source
	option reflect.Value // of an adapter's options, that it is for
}

// Decode keeps the text as it is, for envconfig. It never fails, because
// envconfig would print the text.
func (v *value) Decode(text string) error {
	v.text = text
	return nil
}

// name returns the variable that the text came from, for problems.
func (v *value) name() string {
	if v.source == FromFile {
		return v.variable + fileSuffix
	}
	return v.variable
}

// loader collects a Config and what is wrong with it.
type loader struct {
	LoadOptions
	env      map[string]string // the part of the environment that concerns us
	in       input
	cfg      *Config
	key      string // the CRM field that holds our ids; "" when it is not known
	problems Errors
}

func newLoader(o LoadOptions, env map[string]string) *loader {
	return &loader{LoadOptions: o, env: env, cfg: &Config{
		Unread: map[crm.Object]bool{},
		Mapping: mapping.Config{
			Fields:  map[crm.Object]map[string]mapping.Expression{},
			Filters: map[mapping.Kind]mapping.Expression{},
		},
	}}
}

// serviceLink matches the variables that Kubernetes injects for a service whose
// name begins with crmsync, such as crmsync-map-contact. A CRM field with such a
// name can be mapped in JSON.
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
var serviceLink = regexp.MustCompile(`^CRMSYNC_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?)$`)

// environ returns the variables of the process that concern us.
func environ() map[string]string {
	env := map[string]string{}
	for _, e := range os.Environ() {
		name, text, _ := strings.Cut(e, "=")
		ours := strings.HasPrefix(strings.ToUpper(name), prefix) && !serviceLink.MatchString(name)
		if ours || slices.Contains(proxyVariables, name) || slices.Contains(unproxied, name) {
			env[name] = text
		}
	}
	return env
}

func (l *loader) load() {
	l.resolveInput()
	l.parse()
	adapter := l.chooseAdapter()
	l.cfg.Common.BatchSize = l.batchSize(adapter)
	l.rememberMaximum(adapter)
	l.mapFields(adapter)
	l.fillOptions(adapter)
	if adapter == nil {
		l.probeAdapters()
	}
	l.warnOtherCRMs(adapter)
	l.rememberMapping()
	l.policyFields()
}

func (l *loader) problem(variable, code, message, remedy string) {
	l.problems = append(l.problems, &Problem{Variable: variable, Code: code, Message: message, Remedy: remedy})
}

// recovered reports a problem that leaves something to go on with.
func (l *loader) recovered(variable, code, message, remedy string) {
	l.problem(variable, code, message, remedy)
	l.problems[len(l.problems)-1].Recovered = true
}

func (l *loader) warn(variable, code, message, remedy string) {
	l.cfg.Warnings = append(l.cfg.Warnings, &Problem{Variable: variable, Code: code, Message: message, Remedy: remedy})
}

// resolveInput joins the fields of input with their rows of the table.
func (l *loader) resolveInput() {
	fields := reflect.ValueOf(&l.in).Elem()
	for i, row := range coreSettings() {
		v := fields.Field(i).Addr().Interface().(*value)
		v.setting = row
		l.resolve(v)
	}
}

// resolve decides where the text of v comes from: the variable, the file of a
// secret, or the default.
func (l *loader) resolve(v *value) {
	v.text, v.source = strings.TrimSpace(v.text), FromEnvironment
	if path := strings.TrimSpace(l.env[v.variable+fileSuffix]); v.secret && path != "" {
		if v.text != "" {
			l.problem(v.variable, CodeConflict, "is set twice, by itself and by "+v.variable+fileSuffix, "keep one of them")
		}
		v.source = FromFile
		v.text = strings.TrimSpace(l.readFile(v.name(), path))
	}
	l.unwrap(v)
	if v.text == "" && v.source == FromEnvironment {
		v.text = v.fallback
	}
	if strings.TrimSpace(l.env[v.variable]) == "" && v.source == FromEnvironment {
		v.source = FromDefault
	}
	l.remember(v)
}

// unwrap takes off what becomes part of a value in an env file, other than in a
// shell: a comment behind it, and quotes around it.
func (l *loader) unwrap(v *value) {
	expression := strings.HasPrefix(v.variable, filterPrefix) || strings.HasPrefix(v.variable, mapPrefix)
	if !expression { // those say it themselves
		if i := comment.FindStringIndex(v.text); i != nil {
			l.recovered(v.name(), CodeBadValue, "has a comment behind it, which becomes part of the value", "put the comment on a line of its own that begins with #")
			v.text = v.text[:i[0]]
		}
	}
	if quoted(v.text) {
		l.recovered(v.name(), CodeBadValue, "is wrapped in quotes, which become part of the value", "remove the quotes")
		v.text = v.text[1 : len(v.text)-1]
	}
}

// comment is one behind a value.
var comment = regexp.MustCompile(`\s+#.*$`)

// missing reports a required variable that is not set. A file that yields
// nothing is a problem already.
func (l *loader) missing(v *value, remedy string) {
	if v.source != FromFile {
		l.problem(v.variable, CodeMissing, "is required", remedy)
	}
}

// quoted says whether all of text is inside one pair of quotes, as happens when
// the env file of a shell is given to docker.
func quoted(text string) bool {
	if len(text) < 2 || (text[0] != '"' && text[0] != '\'') || text[0] != text[len(text)-1] {
		return false
	}
	return !strings.ContainsRune(text[1:len(text)-1], rune(text[0]))
}

// readFile returns the text of the file that a variable names, or "" after
// reporting why not. The path is a value too and is not quoted: it may be a
// secret that was put into the wrong variable.
func (l *loader) readFile(variable, path string) string {
	text, err := readLimited(path)
	text = strings.TrimPrefix(text, "\ufeff") // as editors on Windows write it
	switch {
	case err == nil && strings.TrimSpace(text) != "":
		return text
	case err == nil:
		l.problem(variable, CodeUnreadableFile, "names an empty file", "write the value into the file")
	case errors.Is(err, fs.ErrNotExist):
		l.problem(variable, CodeUnreadableFile, "names a file that does not exist", "check the path and, in a container, its mounts")
	case errors.Is(err, fs.ErrPermission):
		l.problem(variable, CodeUnreadableFile, "names a file that this user may not read", "check its owner and mode")
	case errors.Is(err, errTooLarge):
		l.problem(variable, CodeUnreadableFile, "names a file of more than 1 MiB", "check the path: it must hold the value and nothing else")
	default:
		l.problem(variable, CodeUnreadableFile, "names a file that cannot be read", "it must be a regular file")
	}
	return ""
}

var errTooLarge = errors.New("file too large")

// readLimited reads a file of at most maxFile bytes. A pipe that nobody writes
// to is an empty file and holds nothing up.
func readLimited(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errTooLarge
	}
	return string(text), err
}

// chooseAdapter returns the adapter that CRMSYNC_CRM names, or nil.
func (l *loader) chooseAdapter() *Adapter {
	v, names := &l.in.CRM, adapterNames(l.Adapters)
	i := slices.Index(names, v.text)
	switch {
	case v.text == "":
		l.missing(v, "set it to one of "+strings.Join(names, ", "))
	case i >= 0:
		l.cfg.CRM = v.text
		return &l.Adapters[i]
	case slices.Contains(knownCRMs, v.text):
		l.problem(v.name(), CodeUnsupported, "names a CRM that this version does not support", "set it to one of "+strings.Join(names, ", "))
	default:
		l.notOneOf(v, names)
	}
	return nil
}

func adapterNames(adapters []Adapter) []string {
	var names []string
	for _, a := range adapters {
		names = append(names, a.Name)
	}
	return names
}

// fillOptions sets the fields of the adapter's options.
func (l *loader) fillOptions(a *Adapter) {
	if a == nil || a.Options == nil {
		return
	}
	options := reflect.ValueOf(a.Options).Elem()
	rows := a.settings()
	filled := map[string]*value{}
	for i := range options.NumField() {
		if options.Type().Field(i).Tag.Get("name") == "" {
			continue
		}
		v := &value{setting: rows[0], text: l.env[rows[0].variable]}
		rows = rows[1:]
		l.resolve(v)
		if strings.HasSuffix(v.variable, "_URL") {
			l.checkURL(v)
		}
		if v.mandatory && v.text == "" {
			l.missing(v, v.remedy())
		}
		if v.key {
			l.keepKey(v)
		}
		v.option = options.Field(i)
		v.option.SetString(v.text)
		filled[v.variable] = v
	}
	l.cfg.Options = a.Options
	l.validate(a, filled)
}

// validate adds what the filled options know to be wrong with themselves.
func (l *loader) validate(a *Adapter, filled map[string]*value) {
	options, ok := a.Options.(Validator)
	if !ok {
		return
	}
	for _, e := range options.Validate() {
		variable := a.prefix() + e.Name
		v := filled[variable]
		switch {
		case l.problems.has(variable):
		case v == nil: // it names no option of its own: still better than silence
			l.problem(variable, CodeBadValue, e.Message, "")
		case v.text == "":
			l.problem(variable, CodeMissing, e.Message, v.remedy())
		case v.fallback != "" && !strings.HasSuffix(variable, "_URL"): // no other host is asked instead
			l.recovered(v.name(), CodeBadValue, e.Message, v.remedy())
			v.option.SetString(v.fallback)
		default:
			l.problem(v.name(), CodeBadValue, e.Message, v.remedy())
		}
	}
}

// probeAdapters looks for mistakes in what is set for any CRM, when none is
// chosen: all of them are to be found in one run.
func (l *loader) probeAdapters() {
	for i := range l.Adapters {
		probe := newLoader(LoadOptions{}, l.env)
		probe.fillOptions(&l.Adapters[i])
		for _, p := range probe.problems {
			if l.env[p.Variable] != "" { // what is missing is not known yet
				l.problems = append(l.problems, p)
			}
		}
	}
}

// variables returns the names under which rows can be set.
func variables(rows []setting) []string {
	var names []string
	for _, row := range rows {
		names = append(names, row.variable)
		if row.secret {
			names = append(names, row.variable+fileSuffix)
		}
	}
	slices.Sort(names)
	return names
}
