package config

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // images without zone files must know every zone
	"unicode/utf8"

	"crmsync/crm"
	"crmsync/mapping"
)

const (
	// maxWebhookBytes is the memory that all webhooks together may take.
	maxWebhookBytes   = 64 << 20
	maxBatchSize      = 10_000 // of a CRM that names none
	maxRateLimit      = 1_000_000
	minRequestTimeout = time.Second // below it, good answers of a CRM would be cut off
	maxRequestTimeout = 10 * time.Minute
	maxDuration       = 100 * 365 * 24 * time.Hour // times far ahead must not overflow
	minAdminToken     = 16                         // characters; fewer can be guessed over the network
)

// parse turns the texts of input into members of the Config, except for the
// CRM and the mapping.
func (l *loader) parse() {
	in, c := &l.in, l.cfg
	c.ListenAddr = l.address(&in.ListenAddr)
	c.WebhookSecrets = l.secrets(&in.WebhookSecrets)
	c.WebhookMaxBytes = l.integer(&in.WebhookMaxBytes, maxWebhookBytes)
	l.parseAdmin()

	c.State = l.path(&in.State)
	c.EventRetention = l.duration(&in.EventRetention, 1, maxDuration)
	c.PayloadRetention = l.duration(&in.PayloadRetention, 0, maxDuration)
	if c.EventRetention > 0 && c.PayloadRetention > c.EventRetention {
		l.warn(in.PayloadRetention.variable, CodeNoEffect, "is longer than "+in.EventRetention.variable+": a payload goes with its event", "make it shorter, or that one longer")
	}

	c.Common.RequestTimeout = l.duration(&in.RequestTimeout, minRequestTimeout, maxRequestTimeout)
	c.Common.RateLimit = l.rateLimit(&in.RateLimit)
	c.Common.RootCAs = l.rootCAs(&in.TLSCa)
	c.Common.Proxy = l.proxy()
	c.DryRun = l.boolean(&in.DryRun)
	c.SettleTime = l.duration(&in.SettleTime, 1, maxDuration)
	if c.SettleTime > 0 && c.SettleTime < c.Common.RequestTimeout {
		l.problem(in.SettleTime.variable, CodeConflict, "is below "+in.RequestTimeout.variable+": a create may be answered that late", "make it longer, or that one shorter")
	}

	c.Mapping.TimeZone = l.timeZone(&in.TimeZone)
	c.Mapping.DurationUnit = choose(l, &in.DurationUnit, map[string]time.Duration{
		"seconds": time.Second, "milliseconds": time.Millisecond, "minutes": time.Minute})
	c.DefaultOwner = l.ownerID(&in.DefaultOwner)
	c.GiveUpAfter = l.duration(&in.GiveUpAfter, 1, maxDuration)
	c.UserDeleted = choose(l, &in.UserDeleted, deletePolicies)
	c.OrgDeleted = choose(l, &in.OrgDeleted, deletePolicies)
	for kind, v := range map[mapping.Kind]*value{
		mapping.KindCall: &in.FilterCall, mapping.KindUser: &in.FilterUser, mapping.KindOrg: &in.FilterOrg,
	} {
		if v.text != "" {
			c.Mapping.Filters[kind] = mapping.Expression{Source: v.text, Variable: v.variable}
		}
	}

	c.LogLevel = choose(l, &in.LogLevel, map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError})
	c.LogFormat = choose(l, &in.LogFormat, map[string]string{LogJSON: LogJSON, LogText: LogText})
}

var deletePolicies = map[string]DeletePolicy{
	"mark": DeleteMark, "archive": DeleteArchive, "ignore": DeleteIgnore,
}

// bad reports a value that is not of its form. The form is what it must be.
func (l *loader) bad(v *value, form string) {
	l.recovered(v.name(), CodeBadValue, "must be "+form, v.remedy())
}

// choose returns what the text stands for.
func choose[T any](l *loader, v *value, words map[string]T) T {
	t, ok := words[v.text]
	if !ok {
		l.notOneOf(v, slices.Sorted(maps.Keys(words)))
	}
	return t
}

func (l *loader) notOneOf(v *value, words []string) {
	remedy := v.remedy()
	if word := mapping.Nearest(v.text, words); word != "" {
		remedy = "did you mean " + word + "?"
	}
	l.problem(v.name(), CodeBadValue, "must be one of "+strings.Join(words, ", "), remedy)
}

// remedyToken says how to make a token that nobody guesses.
const remedyToken = "openssl rand -hex 32 makes one"

// parseAdmin reads the admin address and makes sure that only this machine
// reaches it without a token.
func (l *loader) parseAdmin() {
	in, c := &l.in, l.cfg
	c.AdminToken = Secret(in.AdminToken.text)
	if n := utf8.RuneCountInString(in.AdminToken.text); n > 0 && n < minAdminToken {
		l.problem(in.AdminToken.name(), CodeBadValue, fmt.Sprintf("must be of %d characters or more", minAdminToken), remedyToken)
	}
	if in.AdminAddr.text == "off" {
		return
	}
	c.AdminAddr = l.address(&in.AdminAddr)
	admin, public := splitAddress(c.AdminAddr), splitAddress(c.ListenAddr)
	if admin == nil {
		return
	}
	if !admin.loopback() && c.AdminToken == "" {
		l.missing(&in.AdminToken, in.AdminAddr.variable+" is not a loopback address; "+remedyToken)
	}
	if public != nil && admin.collides(public) {
		l.problem(in.AdminAddr.variable, CodeConflict, "uses the port of "+in.ListenAddr.variable, "choose another port")
	}
}

func (l *loader) address(v *value) string {
	if splitAddress(v.text) == nil {
		l.bad(v, "an address such as :8080 or 127.0.0.1:8081, with a port of at most 65535")
		return ""
	}
	return v.text
}

// address is a listen address taken apart.
type address struct {
	host string
	port uint64
}

// splitAddress returns nil unless text is [host]:port with a numeric port.
func splitAddress(text string) *address {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return nil
	}
	host := text[:i]
	port, err := strconv.ParseUint(text[i+1:], 10, 16)
	if err != nil {
		return nil
	}
	if bare, ok := strings.CutPrefix(host, "["); ok {
		host, ok = strings.CutSuffix(bare, "]")
		if _, err := netip.ParseAddr(host); !ok || err != nil {
			return nil
		}
		return &address{host, port}
	}
	if strings.ContainsAny(host, ":/@ []") {
		return nil
	}
	return &address{host, port}
}

func (a *address) loopback() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "localhost" || err == nil && ip.IsLoopback()
}

// any says whether the address stands for every interface.
func (a *address) any() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "" || err == nil && ip.IsUnspecified()
}

func (a *address) collides(b *address) bool {
	return a.port == b.port && a.port != 0 && (a.host == b.host || a.any() || b.any())
}

// secrets splits the webhook secrets. A mistake is named by its position.
func (l *loader) secrets(v *value) []Secret {
	items := splitList(v.text)
	if len(items) == 0 {
		l.missing(v, "copy it from the settings of the webhook endpoint")
	}
	var out []Secret
	for i, item := range items {
		if l.CheckSecret != nil {
			if err := l.CheckSecret(item); err != nil {
				l.problem(v.name(), CodeBadValue, fmt.Sprintf("secret %d of %d %v", i+1, len(items), err), "copy it again from the settings of the webhook endpoint")
				continue
			}
		}
		out = append(out, Secret(item))
	}
	return out
}

// splitList splits at commas and, for lists in files, at line ends.
func splitList(text string) []string {
	items := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' })
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return slices.DeleteFunc(items, func(item string) bool { return item == "" })
}

// integer returns a number from 1 to limit, or 0 when the text is empty.
func (l *loader) integer(v *value, limit int64) int64 {
	if v.text == "" {
		return 0
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil || n < 1 || n > limit {
		l.bad(v, fmt.Sprintf("a whole number from 1 to %d", limit))
		return 0
	}
	return n
}

// batchSize returns the records per request, 0 for as many as the CRM takes.
func (l *loader) batchSize(a *Adapter) int {
	limit := maxBatchSize
	if a != nil && a.MaxBatch > 0 {
		limit = a.MaxBatch
	}
	return int(l.integer(&l.in.BatchSize, int64(limit)))
}

func (l *loader) boolean(v *value) bool {
	b, err := strconv.ParseBool(v.text)
	if err != nil {
		l.bad(v, "true or false")
	}
	return b
}

// duration returns a duration from low to high; a low of 1 is anything above zero.
func (l *loader) duration(v *value, low, high time.Duration) time.Duration {
	d, err := time.ParseDuration(v.text)
	switch {
	case err != nil:
		l.problem(v.name(), CodeBadValue, "must be a duration such as 90s, 15m or 168h", "h is the largest unit: a day is 24h, 90 days are 2160h")
	case d < low && low == 0:
		l.bad(v, "a duration of zero or more")
	case d < low && low == 1:
		l.bad(v, "a duration above zero")
	case d < low:
		l.bad(v, "a duration of at least "+low.String())
	case d > high:
		l.bad(v, "a duration of at most "+high.String())
	default:
		return d
	}
	return 0
}

// postgres matches what names a PostgreSQL database, also with a slash too few.
var postgres = regexp.MustCompile(`(?i)^postgres(ql)?:`)

// path returns the path of the state file.
func (l *loader) path(v *value) string {
	_, _, isURL := strings.Cut(v.text, "://")
	switch {
	case postgres.MatchString(v.text):
		l.problem(v.name(), CodeUnsupported, "names a PostgreSQL database, which this version does not support", "name a file, such as /data/crmsync.db")
	case isURL || strings.HasSuffix(v.text, "/"):
		l.bad(v, "the path of a file, such as /data/crmsync.db")
	default:
		return v.text
	}
	return ""
}

func (l *loader) rateLimit(v *value) crm.RateLimit {
	if v.text == "" {
		return crm.RateLimit{}
	}
	if v.text == "off" {
		return crm.RateLimit{Off: true}
	}
	number, window, _ := strings.Cut(v.text, "/")
	n, err := strconv.Atoi(number)
	per, err2 := time.ParseDuration(window)
	if err != nil || err2 != nil || n < 1 || n > maxRateLimit || per <= 0 || per > maxDuration {
		l.bad(v, "off, or a number of requests and a duration such as 100/10s")
		return crm.RateLimit{}
	}
	return crm.RateLimit{Max: n, Per: per}
}

// rootCAs returns the authorities of the system and those of the file.
func (l *loader) rootCAs(v *value) *x509.CertPool {
	if v.text == "" {
		return nil
	}
	pem := l.readFile(v.name(), v.text)
	if pem == "" {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		l.problem(v.name(), CodeUnreadableFile, "names a file without a certificate in PEM form", "it must hold lines such as -----BEGIN CERTIFICATE-----")
	}
	return pool
}

// ownerID matches what CRMs call their users: a number, a number with letters
// behind it, or a UUID. No secret looks like that.
var ownerID = regexp.MustCompile(`^([0-9][0-9A-Za-z]{0,17}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$`)

func (l *loader) ownerID(v *value) string {
	if v.text != "" && !ownerID.MatchString(v.text) {
		l.problem(v.name(), CodeBadValue, "must be the id of a user of the CRM, such as 70001, not a name or an address", "copy the id from the CRM")
		return ""
	}
	return v.text
}

func (l *loader) timeZone(v *value) *time.Location {
	zone, err := time.LoadLocation(v.text)
	if err != nil || zone == time.Local { // the machine's zone would make results depend on it
		l.bad(v, "UTC or a name of the IANA time zone database such as Europe/Berlin")
		return nil
	}
	return zone
}

// checkURL reports a base URL that cannot be one. Query and user would end up in
// every request, and in logs.
func (l *loader) checkURL(v *value) {
	if v.text == "" {
		return
	}
	u, err := url.Parse(v.text)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" {
		l.problem(v.name(), CodeBadValue, "must be a URL such as https://api.example.com", v.remedy())
		return
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		l.problem(v.name(), CodeBadValue, "must be a URL without user, query and fragment", v.remedy())
		return
	}
	if host := (&address{host: u.Hostname()}); u.Scheme == "http" && !host.loopback() {
		l.warn(v.variable, CodePlainHTTP, "uses http: credentials and records travel unencrypted", "use https")
	}
}
