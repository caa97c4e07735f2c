package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	svix "github.com/svix/svix-webhooks/go"
)

// sendTimeout is how long Svix waits for an answer.
// https://docs.svix.com/retries
const sendTimeout = 15 * time.Second

// timestampLayout is that of the platform's events.
const timestampLayout = "2006-01-02T15:04:05.000Z07:00"

// sendCommand plays the sender: it signs event files and posts them.
type sendCommand struct {
	Files []string `arg:"" name:"file" help:"Files with one event each, as JSON; - reads standard input."`
	To    string   `placeholder:"URL" help:"Webhook address (default: CRMSYNC_LISTEN_ADDR on this machine)."`
	NewID bool     `name:"new-id" help:"Give each event a new id and the present time, so that it is neither a duplicate nor stale."`
}

// Help implements kong.HelpProvider.
func (*sendCommand) Help() string {
	return `Plays the platform: signs each file with the first whsec_ secret of CRMSYNC_WEBHOOK_SECRETS, as Svix does, and posts it.
Sending a file twice is a duplicate, as a resend by Svix is, and changes nothing. --new-id makes an event of its own of
it: with another id, and with the present time as its timestamp, because of two versions of a record the newer one wins.

Exit codes: 0 all were accepted, 1 one was not, 2 wrong configuration.

Examples:
  crmsync send call.json                      to the connector on this machine
  crmsync send call.json --new-id             once more, as an event of its own
  crmsync send user.json org.json --to https://crmsync.example.com/webhooks
  cat call.json | crmsync send -`
}

// Run sends every file, also behind one that is refused, and fails when one was.
func (c *sendCommand) Run(s *session) error {
	cfg, err := loadOnly("CRMSYNC_WEBHOOK_SECRETS", "CRMSYNC_LISTEN_ADDR")
	if err != nil {
		return err
	}
	secrets := make([]string, len(cfg.WebhookSecrets))
	for i, secret := range cfg.WebhookSecrets {
		secrets[i] = string(secret)
	}
	to := c.To
	if to == "" {
		to = loopbackURL(cfg.ListenAddr) + "/webhooks"
	}
	sender, err := newSender(to, secrets)
	if err != nil {
		return usage(err)
	}
	failed := false
	for _, name := range c.Files {
		if err := c.sendFile(s, sender, name); err != nil {
			fmt.Fprintf(s.stderr, "%s: %v\n", name, err)
			failed = true
		}
	}
	if failed {
		return errTold
	}
	return nil
}

func (c *sendCommand) sendFile(s *session, sender *sender, name string) error {
	body, err := readInput(s.stdin, name)
	if err != nil {
		return err
	}
	if c.NewID {
		if body, err = asNew(body, time.Now()); err != nil {
			return err
		}
	}
	id := messageID(body)
	if err := sender.send(s.ctx, id, body); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s: accepted; crmsync explain %s\n", name, id)
	return err
}

func readInput(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// messageID derives a message id from the body: sending a file twice is a
// duplicate, as a resend by Svix is.
func messageID(body []byte) string {
	sum := sha256.Sum256(body)
	return "msg_" + hex.EncodeToString(sum[:])[:27]
}

// asNew makes an event of its own of body: with another id, and with now as its
// timestamp, because at equal times the ids would decide which event is stale.
// The payload is left as it is.
func asNew(body []byte, now time.Time) ([]byte, error) {
	var envelope map[string]json.RawMessage
	if err := json.Unmarshal(body, &envelope); err != nil || envelope == nil {
		return nil, errors.New("--new-id needs an event, which is a JSON object: send it without to see what becomes of it")
	}
	id, err := uuid.NewRandomFromReader(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an id: %w", err)
	}
	envelope["id"], _ = json.Marshal(id.String()) // texts always encode
	envelope["timestamp"], _ = json.Marshal(now.UTC().Format(timestampLayout))
	return json.Marshal(envelope)
}

// sender signs events as Svix does and posts them to a webhook.
type sender struct {
	url    string
	signer *svix.Webhook
	client *http.Client
}

// newSender signs with the first shared secret among secrets.
func newSender(to string, secrets []string) (*sender, error) {
	if u, err := url.Parse(to); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("--to is no web address: expected something like http://127.0.0.1:8080/webhooks")
	}
	for _, secret := range secrets {
		if !strings.HasPrefix(secret, "whsec_") {
			continue
		}
		signer, err := svix.NewWebhook(secret)
		if err != nil {
			return nil, errors.New("CRMSYNC_WEBHOOK_SECRETS: the first whsec_ secret cannot be used for signing")
		}
		client := &http.Client{Timeout: sendTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // as Svix: a redirect is a failure
		}}
		return &sender{to, signer, client}, nil
	}
	return nil, errors.New("CRMSYNC_WEBHOOK_SECRETS holds no whsec_ secret: a whpk_ key can only verify")
}

// send posts one event and returns what is wrong unless it was accepted.
func (p *sender) send(ctx context.Context, id string, body []byte) error {
	now := time.Now()
	signature, err := p.signer.Sign(id, now, body)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Svix-Id", id)
	req.Header.Set("Svix-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Svix-Signature", signature)
	resp, err := p.client.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nobody listens at %s: is the connector running (crmsync serve), and is this its address? --to and CRMSYNC_LISTEN_ADDR name it", p.url)
	}
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook answered HTTP %d%s", resp.StatusCode, sendAdvice(resp.StatusCode))
	}
	return nil
}

func sendAdvice(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return ": it has another secret; use the same CRMSYNC_WEBHOOK_SECRETS on both sides"
	case http.StatusBadRequest:
		return ": compare the clocks of the two machines"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return ": is the address right? It usually ends in /webhooks"
	case http.StatusRequestEntityTooLarge:
		return ": the event is larger than CRMSYNC_WEBHOOK_MAX_BYTES"
	case http.StatusServiceUnavailable:
		return ": the connector cannot store events now; crmsync health says why"
	}
	return ""
}
