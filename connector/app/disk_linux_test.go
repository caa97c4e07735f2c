package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crmsync/crm/sandbox"
)

// smallDisk is a file system of a few megabytes that a connector keeps its
// state on, in a mount namespace that outlives the connector.
type smallDisk struct {
	t      *testing.T
	dir    string // inside the namespace
	keeper *exec.Cmd
}

func newSmallDisk(t *testing.T, dir string) *smallDisk {
	t.Helper()
	needRoots(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	keeper := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private",
		"sh", "-ec", `mount -t tmpfs -o size=40M none "$1"; echo mounted; exec sleep 600`, "sh", dir)
	keeper.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := keeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatalf("the disk is not mounted: %v", err)
	}
	t.Cleanup(func() { _ = keeper.Process.Kill(); _ = keeper.Wait() })
	return &smallDisk{t: t, dir: dir, keeper: keeper}
}

// path of a file on the disk, as seen from outside the namespace.
func (d *smallDisk) path(name string) string {
	return filepath.Join("/proc", strconv.Itoa(d.keeper.Process.Pid), "root", d.dir, name)
}

// entered is the command line that runs line where the disk is mounted.
func (d *smallDisk) entered(line []string) []string {
	return append([]string{"nsenter", "--mount", "--target", strconv.Itoa(d.keeper.Process.Pid), "--"}, line...)
}

// fill leaves no byte free.
func (d *smallDisk) fill() {
	d.t.Helper()
	f, err := os.Create(d.path("filler"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; { // what is left of the disk is less and less
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *smallDisk) free() {
	d.t.Helper()
	if err := os.Remove(d.path("filler")); err != nil {
		d.t.Fatal(err)
	}
}

// unlucky counts refusals, and those that do not say when to come again.
type unlucky struct{ refused, silent int }

func (u *unlucky) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusServiceUnavailable {
		u.refused++
		if resp.Header.Get("Retry-After") == "" {
			u.silent++
		}
	}
	return resp, err
}

// large gives every event a payload that does not compress.
func (s *stream) large(size int) *stream {
	random := rand.New(rand.NewPCG(5, 6))
	for i, body := range s.bodies {
		noise := make([]byte, size/2)
		for j := range noise {
			noise[j] = byte(random.Uint32())
		}
		s.bodies[i] = strings.Replace(body, `"payload":{`, fmt.Sprintf(`"payload":{"noise":"%x",`, noise), 1)
	}
	return s
}

// A disk that fills up while events come in: they are refused with the advice to
// come again, none that was acknowledged is lost, also over a kill, the CRM is
// not asked the same again and again, and with room all goes on by itself.
func TestEndToEnd_DiskFull(t *testing.T) {
	t.Parallel() // they wait more than they work
	crm, url := newCRM(t)
	p := newConnector(t, url)
	disk := newSmallDisk(t, filepath.Join(p.dir, "disk"))
	p.env = append(p.env, "CRMSYNC_STATE="+filepath.Join(disk.dir, "crmsync.db"))
	p.where = disk.entered
	crm.SetLatency(20 * time.Millisecond) // so that deliveries are under way
	s := newStream(300).large(48 << 10)
	deliveries := s.shuffled()
	before := crm.Requests()
	p.start()
	p.sendAll(deliveries[:50])

	disk.fill()
	refused := p.sendUntilRefused(deliveries[50:])
	p.checkRefusing(crm)
	_ = p.cmd.Process.Kill() // what was acknowledged is there, on a disk that is still full
	<-p.ended
	p.launch()
	p.eventually("the connector serves", 20*time.Second, func() bool { return p.probe("/healthz") == http.StatusOK })

	disk.free()
	p.sendAll(refused)
	var status statusJSON
	p.eventually("all is written and linked", time.Minute, func() bool {
		status = p.status()
		return status.Pending+status.WaitingLinks == 0
	})
	if got := p.probe("/readyz"); got != http.StatusOK {
		t.Errorf("/readyz with room again: %d", got)
	}
	compare(t, dump(crm), s.want)
	if !status.Balanced || status.Received != len(s.bodies) || status.Dead != 0 {
		t.Errorf("status %+v", status)
	}
	if n := requestsOf(crm, before); n > len(deliveries) {
		t.Errorf("%d requests for %d deliveries", n, len(deliveries))
	}
	p.mustRun("state", "verify")
	p.stop()
}

// sendUntilRefused posts deliveries in turn until the disk has no room for three
// of them, and returns those that were not acknowledged.
func (p *connectorProcess) sendUntilRefused(deliveries []delivery) (refused []delivery) {
	p.t.Helper()
	count := &unlucky{}
	client := &http.Client{Transport: count, Timeout: 15 * time.Second}
	for i, d := range deliveries {
		switch code := p.post(client, d); code {
		case http.StatusNoContent:
		case http.StatusServiceUnavailable:
			refused = append(refused, d)
		default:
			p.t.Fatalf("answered %d", code)
		}
		if count.refused == 3 {
			refused = append(refused, deliveries[i+1:]...)
			break
		}
	}
	if count.refused < 3 || count.silent > 0 {
		p.t.Fatalf("%d were refused, %d of them without Retry-After", count.refused, count.silent)
	}
	return refused
}

// checkRefusing looks at what a connector on a full disk says, and that it lets
// the CRM alone.
func (p *connectorProcess) checkRefusing(crm *sandbox.Server) {
	p.t.Helper()
	if got := p.probe("/readyz"); got != http.StatusServiceUnavailable {
		p.t.Errorf("/readyz on a full disk: %d", got)
	}
	if got := p.probe("/healthz"); got != http.StatusOK {
		p.t.Errorf("/healthz on a full disk: %d", got)
	}
	before := crm.Requests()
	for range 5 {
		code, out := p.run("status", "--json")
		var v struct {
			Ready  bool
			Reason string `json:"ready_reason"`
		}
		if err := json.Unmarshal([]byte(out), &v); err != nil || code != 1 || v.Ready || v.Reason == "" {
			p.t.Fatalf("status on a full disk: %d %v\n%s", code, err, out)
		}
	}
	if n := requestsOf(crm, before); n > 20 {
		p.t.Errorf("%d requests to the CRM while nothing could be remembered", n)
	}
}
