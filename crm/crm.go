package crm

import (
	"context"
	"time"
)

// Object is one of the three kinds of record that crmsync writes.
type Object string

// The objects. Their names are what users see in variables and in JSON.
const (
	Activity Object = "activity" // from calls
	Contact  Object = "contact"  // from users
	Company  Object = "company"  // from organisations
)

// Objects lists every object in the order in which they are written: a link
// can only point to a record that exists.
func Objects() []Object { return []Object{Company, Contact, Activity} }

// Fields are the values of a record by CRM field name. A value is a string,
// bool, int64, float64, time.Time or []string, never nil: a field that should
// be left alone is absent, one that should be cleared is "".
type Fields map[string]any

// Ref names a record by our key and, when it is known, by the CRM's id.
type Ref struct {
	Object   Object
	Key      string
	RemoteID string
}

// Record is what should be true in the CRM of one record key.
type Record struct {
	Object     Object
	Key        string    // id of the call, user or organisation
	RemoteID   string    // the CRM's id as last seen; "" when unknown
	OccurredAt time.Time // time of the event that the record comes from
	Fields     Fields

	// Links are the records to link to, all with a RemoteID. Unlinks are the
	// links that we made earlier and that are to be removed. A client that
	// implements Linker ignores both in Upsert.
	Links   []Ref
	Unlinks []Ref

	// Adopted says that a person created this record, or may have (see
	// CodeAdoptable): its standard name fields are filled only while they are
	// empty. As long as it does not carry our key it is the one with the RemoteID,
	// if that is known.
	Adopted bool
	// InDoubt says that an earlier create of this record was never answered:
	// a client without a native upsert looks for it before it creates.
	InDoubt bool
}

// Action is what an upsert did.
type Action string

// The actions. Upserted is for CRMs that do not say which of created and
// updated it was. Archived, Stale and None are set by the connector.
const (
	Created   Action = "created"
	Updated   Action = "updated"
	Upserted  Action = "upserted"
	Adopted   Action = "adopted"
	Unchanged Action = "unchanged"
	Archived  Action = "archived"
	Stale     Action = "stale"
	None      Action = "none"
)

// Result is the fate of one record of an upsert. Err is nil or an *Error; with
// an Err the other members may still say what is known.
type Result struct {
	RemoteID  string
	Action    Action
	RequestID string // the CRM's id of the request that wrote it, for support cases
	Err       error
}

// Properties are static facts that the connector plans around.
type Properties struct {
	Name         string // as in CRMSYNC_CRM
	MaxBatch     int    // records per Upsert or Archive
	MaxLinks     int    // links per Link; 0 unless the client is a Linker
	NativeUpsert bool   // repeating an Upsert blindly never creates a second record
	IDField      string // the CRM field that holds our key
	ConsoleURL   string // where a person looks at records, for messages; may be ""
}

// Client is one CRM account. Methods may be called concurrently.
type Client interface {
	Properties() Properties

	// Account names the CRM account, so that a state is never used with another
	// one. The name does not change when credentials are rotated. It is a path
	// from the general to the particular, such as "crm.example/4711", and ends
	// early where the CRM does not tell more. Beside an error it is as much as is
	// known without a request, maybe ""; a ctx that has ended asks for just that.
	Account(ctx context.Context) (string, error)

	// Ping is the cheapest read that proves the credentials work.
	Ping(ctx context.Context) error

	// Upsert makes up to MaxBatch records of one object, with distinct keys,
	// true. Repeating it creates nothing new.
	// With a nil error the results answer the records one for one, in order.
	// With an error (an *Error) nothing is known: any record may have been
	// written, and the caller repeats.
	Upsert(ctx context.Context, object Object, records []Record) ([]Result, error)
}

// Link is one link to make or, with Remove, to take away.
type Link struct {
	From, To Ref // both with RemoteID
	Remove   bool
}

// Linker is implemented by clients whose CRM writes links in requests of their
// own. The connector calls Link after Upsert, for many batches at once.
type Linker interface {
	// Link makes or removes up to MaxLinks links with the same From.Object,
	// To.Object and Remove. A link that exists already, or is already gone, is
	// a success. With a nil error the errors (nil or *Error) answer the links
	// one for one. A NotFound item error names the missing side in Missing.
	Link(ctx context.Context, links []Link) ([]error, error)
}

// Change is what an upsert would do to one field, in the CRM's own notation.
type Change struct {
	Field string `json:"field"`
	Old   string `json:"old"` // "" when the field is empty
	New   string `json:"new"` // "" when the field would be cleared

	// FullLength is the length in characters of a value that the adapter cuts; 0
	// of one that is whole.
	FullLength int `json:"full_length"`
}

// Preview is what an Upsert of one record would do now.
type Preview struct {
	Action   Action   // Created, Updated, Adopted (permitted or not) or Unchanged
	Proof    string   // the field whose value no two records share, so that it proves that one can be Adopted; "" of objects without
	RemoteID string   // "" of a record that would be created
	Changes  []Change // by field name; what would stay as it is is absent
	// Err is nil or the *Error that the Upsert would give, as far as reading can
	// tell. With a Conflict that has a Holder the rest tells what would become of
	// the record if nobody held the value of Proof.
	Err error
}

// Previewer is implemented by clients that can tell what an Upsert would do.
type Previewer interface {
	// Preview only reads. With a nil error the previews answer up to MaxBatch
	// records one for one. Links and Unlinks are ignored, and so is what the
	// records would do to each other.
	Preview(ctx context.Context, object Object, records []Record) ([]Preview, error)
}

// Comparison is one field as the CRM holds it and as an Upsert would leave it.
type Comparison struct {
	Change
	// OldForm and NewForm are Old and New without what the CRM itself may do to
	// a value, such as its way to write a number: where they are equal, the
	// values are the same. Of a field that is empty it is "".
	OldForm, NewForm string
}

// Current is what the CRM holds of a record.
type Current struct {
	RemoteID string                // "" when there is no such record
	Fields   map[string]Comparison // by field: those that were asked for and the record has a value for
}

// Comparer is implemented by clients that can read the fields of records: what
// it takes to respect what a person wrote.
type Comparer interface {
	// Compare reads, with one request where the CRM allows it, the record that an
	// Upsert of each of up to MaxBatch records would write to: that with our key
	// or, of an Adopted one that has none yet, that with its RemoteID. With a nil
	// error the answers are one for one.
	Compare(ctx context.Context, object Object, records []Record, fields []string) ([]Current, error)
}

// Renderer is implemented by clients that can tell, without asking the CRM, how
// they send a value.
type Renderer interface {
	// Render returns a value as an Upsert sends it for a field, and its length in
	// characters when that is cut, else 0. Its error is the *Error of a value that
	// is never sent.
	Render(object Object, field string, value any) (sent string, fullLength int, err error)
}

// RecordPager is implemented by clients whose CRM shows each record on a page of
// its own.
type RecordPager interface {
	// RecordURL returns the address of the page of a record. It asks nobody: account
	// is what Account told, and "" is the answer when that is not enough.
	RecordURL(account string, object Object, remoteID string) string
}

// Archiver is implemented by clients that can delete or archive records so
// that a person can bring them back.
type Archiver interface {
	// Archive takes up to MaxBatch refs of one object. A record that is gone
	// already is a success. With a nil error the errors answer refs in order.
	Archive(ctx context.Context, object Object, refs []Ref) ([]error, error)
}

// Owner is a person of the CRM who can own records.
type Owner struct {
	ID     string // the value to write into an owner field
	Email  string
	Active bool
}

// OwnerFinder is implemented by clients whose records have owners.
type OwnerFinder interface {
	// Owners returns every owner that is a person, never a queue or group.
	Owners(ctx context.Context) ([]Owner, error)
}

// FieldKind says which values a field takes.
type FieldKind uint8

// The kinds of field. A CRM may have more; those are FieldUnknown, of which
// nothing can be said beforehand.
const (
	FieldUnknown   FieldKind = iota
	FieldText                // any text, kept as it is
	FieldFormatted           // a text that the CRM reads and may rewrite, such as HTML or a telephone number
	FieldEmail               // one e-mail address
	FieldNumber              // digits with at most one dot
	FieldBool                // true or false
	FieldDate                // a day: 2006-01-02, or midnight UTC
	FieldDateTime            // a time, ISO 8601, or milliseconds since 1970
	FieldEnum                // one of Options
	FieldMulti               // any of Options
	FieldOwner               // the id of an Owner
)

// Field describes one field of an object's schema.
type Field struct {
	Name      string
	Label     string
	Type      string // the CRM's own word
	Kind      FieldKind
	ReadOnly  bool          // the API refuses to write it
	Unique    bool          // the CRM keeps its values unique
	Required  bool          // no record can be created without it
	MaxLength int           // in UTF-16 units, the strictest of the ways to count; 0 when unknown
	HTML      bool          // a text is read as HTML
	OneLine   bool          // a text is shown on one line
	Unit      time.Duration // of a number that is a length of time; 0 for others
	Options   []string      // allowed values; nil when they are not known
	Labels    []string      // what a person sees in place of each of Options; nil when it is not known
}

// Schema is what the CRM says about one object.
type Schema struct {
	Object Object
	Name   string // the CRM's name of the object, such as "contacts"
	Fields map[string]Field
	// AnyOf are fields of which a new record needs one; empty when it needs none.
	AnyOf []string
}

// Describer is implemented by clients whose CRM tells its schema.
type Describer interface {
	Describe(ctx context.Context, object Object) (Schema, error)
}

// PermissionChecker is implemented by clients that can find out what the
// credentials may do. The errors are the Unauthorized that reading or writing
// any record of an object would meet, nil when there is none or the CRM does not
// tell.
type PermissionChecker interface {
	// CheckRead reads.
	CheckRead(ctx context.Context, object Object) error
	// AskWrite sends no request of those that write.
	AskWrite(ctx context.Context, object Object) error
	// CheckWrite writes nothing, but may send a request of those that write.
	CheckWrite(ctx context.Context, object Object) error
}

// Step is one thing that provisioning did, would do, or leaves to a person.
type Step struct {
	Object Object `json:"object"`
	Field  string `json:"field"` // "" when the step is about the whole object
	Action string `json:"action"`
	Note   string `json:"note"`
}

// What a Step's Action says.
const (
	StepExists  = "exists"  // nothing to do
	StepCreated = "created" // done now
	StepCreate  = "create"  // would be done without DryRun
	StepManual  = "manual"  // a person has to do it; Note says how
)

// Provision asks for what the mapping needs.
type Provision struct {
	Fields map[Object][]string // mapped field names
	DryRun bool                // change nothing
}

// Provisioner is implemented by clients that can create their own id field and
// custom fields. It is idempotent.
type Provisioner interface {
	Provision(ctx context.Context, p Provision) ([]Step, error)
}
