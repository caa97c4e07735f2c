package app_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The build arguments of the image under test.
const (
	containerVersion  = "v1.2.3-test"
	containerRevision = "0123456789abcdef0123456789abcdef01234567"
)

// TestContainer_Image does what docker build and docker run would do, without
// their daemon: it runs the steps of the Dockerfile, puts the root together as
// the final stage says, and starts the program there as its user.
func TestContainer_Image(t *testing.T) {
	stages := readDockerfile(t)
	context := t.TempDir()
	copyContext(t, context)
	built := runBuildStage(t, stages[0], context)
	t.Run("a build elsewhere gives the same binary", func(t *testing.T) {
		elsewhere := filepath.Join(t.TempDir(), "deeper", "down")
		if err := os.CopyFS(elsewhere, os.DirFS(context)); err != nil {
			t.Fatal(err)
		}
		again := runBuildStage(t, stages[0], elsewhere)
		if a, b := digest(t, built+"/crmsync"), digest(t, again+"/crmsync"); a != b {
			t.Errorf("%x and %x", a, b)
		}
	})
	needRoots(t)
	c := newContainer(t, stages[1], context, built)
	t.Run("version", c.testVersion)
	t.Run("only the volume is writable", c.testReadOnly)
	t.Run("serve and health", c.testServe)
	t.Run("demo", c.testDemo)
}

// needRoots skips where another root and user cannot be had, except in CI.
func needRoots(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "true").CombinedOutput()
	switch {
	case err == nil && os.Geteuid() == 0:
	case os.Getenv("CI") == "":
		t.Skipf("only root may mount and change the user: %v %s", err, out)
	default:
		t.Fatalf("CI has to run this as root that may mount: %v %s", err, out)
	}
}

// copyContext copies what docker would send to the build.
func copyContext(t *testing.T, to string) {
	t.Helper()
	ignored := dockerIgnored(t)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		below, _ := filepath.Rel(root, name)
		if err != nil || d.IsDir() && d.Name() == ".git" {
			return cmp.Or(err, fs.SkipDir)
		}
		out, err := ignored.MatchesOrParentMatches(below)
		if err != nil || out || !d.Type().IsRegular() {
			return err
		}
		return copyFile(name, filepath.Join(to, below))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyFile copies a file with its permissions, and makes the directories above.
func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}

// runBuildStage runs the RUN steps in dir and returns what stands for /image.
func runBuildStage(t *testing.T, build stage, dir string) string {
	t.Helper()
	image := t.TempDir()
	for _, step := range build.all("RUN") {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(step.text, "/image", image))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH,
			"VERSION="+containerVersion, "REVISION="+containerRevision)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("RUN %s: %v\n%s", step.text, err, out)
		}
	}
	return image
}

func digest(t *testing.T, name string) [sha256.Size]byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(text)
}

// container is the final stage on disk.
type container struct {
	stage      stage
	root, data string // data is mounted at the volume
}

// newContainer follows the COPY steps of the final stage. /src and /image are
// where the build stage worked; everything else is taken from this machine,
// which stands for the image of the build.
func newContainer(t *testing.T, final stage, context, image string) *container {
	t.Helper()
	c := &container{stage: final, root: t.TempDir(), data: t.TempDir()}
	from := strings.NewReplacer("/src/", context+"/", "/image/", image+"/")
	for _, step := range final.all("COPY") {
		last := len(step.args) - 1
		for _, source := range step.args[:last] {
			to := filepath.Join(c.root, step.args[last])
			if strings.HasSuffix(step.args[last], "/") {
				to = filepath.Join(to, path.Base(source))
			}
			copyInto(t, from.Replace(source), to, step.flag("chown"))
		}
	}
	owner, err := os.Stat(filepath.Join(c.root, containerState))
	if err != nil {
		t.Fatal(err)
	}
	of := owner.Sys().(*syscall.Stat_t)
	if err := os.Chown(c.data, int(of.Uid), int(of.Gid)); err != nil { // as a new volume is made
		t.Fatal(err)
	}
	if err := os.Chmod(c.root, 0o777); err != nil { // so that only the mount keeps it from being written
		t.Fatal(err)
	}
	for _, name := range []string{"dev", "proc"} { // every runtime mounts these
		if err := os.Mkdir(filepath.Join(c.root, name), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func copyInto(t *testing.T, from, to, owner string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		err = copyFile(from, to)
	}
	if err != nil {
		t.Fatal(err)
	}
	if owner == "" {
		return
	}
	var uid, gid int
	if _, err := fmt.Sscanf(owner, "%d:%d", &uid, &gid); err != nil {
		t.Fatalf("--chown=%s: %v", owner, err)
	}
	if err := os.Chown(to, uid, gid); err != nil {
		t.Fatal(err)
	}
}

// enterContainer mounts the root read-only and the volume over its directory,
// in a mount namespace of its own, and becomes the program.
const enterContainer = `
root=$1 data=$2 volume=$3 workdir=$4 uid=$5 gid=$6
shift 6
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$data" "$root$volume"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
exec unshare --root="$root" --wd="$workdir" --setgid="$gid" --setuid="$uid" -- "$@"
`

// command runs the image's entry point: with its command when args are empty.
func (c *container) command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	volume, workdir := c.stage.only(t, "VOLUME").text, c.stage.only(t, "WORKDIR").text
	uid, gid, _ := strings.Cut(c.stage.only(t, "USER").text, ":")
	line := []string{"--mount", "--propagation", "private", "sh", "-ec", enterContainer, "sh", c.root, c.data, volume, workdir, uid, gid}
	line = append(line, c.stage.only(t, "ENTRYPOINT").args...)
	if len(args) == 0 {
		args = c.stage.only(t, "CMD").args
	}
	cmd := exec.CommandContext(t.Context(), "unshare", append(line, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range c.stage.assigned("ENV") {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, env...) // the last one of a name counts
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (c *container) testVersion(t *testing.T) {
	out, err := c.command(t, nil, "version").CombinedOutput()
	want := fmt.Sprintf("crmsync %s (%s), ", containerVersion, containerRevision)
	if err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%v %q, want %q", err, out, want)
	}
}

// testReadOnly proves that the other tests run on a root that refuses writes.
func (c *container) testReadOnly(t *testing.T) {
	out, err := c.command(t, []string{"TMPDIR=/"}, "demo", "--once").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("read-only file system")) {
		t.Errorf("temporary files outside the volume: %v\n%s", err, out)
	}
	if entries, err := os.ReadDir(c.root); err != nil || len(entries) != 6 {
		t.Errorf("the root holds %v %v, want crmsync, data, dev, etc, proc and LICENSE", entries, err)
	}
}

// servingEnv is the least that serve needs, on a port that is free.
func servingEnv(t *testing.T) []string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return []string{
		"CRMSYNC_CRM=sandbox", "CRMSYNC_WEBHOOK_SECRETS=" + endToEndSecrets[0],
		"CRMSYNC_LISTEN_ADDR=" + listener.Addr().String(), "CRMSYNC_ADMIN_ADDR=off",
	}
}

func (c *container) testServe(t *testing.T) {
	env := servingEnv(t)
	p := &connectorProcess{t: t, log: &lockedBuffer{}, cmd: c.command(t, env), ended: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	p.eventually("the container is healthy", 15*time.Second, func() bool { return c.command(t, env, "health").Run() == nil })
	c.checkProcess(t, p.cmd.Process.Pid)
	p.stop()
	if err := c.command(t, env, "health").Run(); err == nil {
		t.Error("a container that was stopped is healthy")
	}
	if out, err := c.command(t, env, "state", "verify").CombinedOutput(); err != nil {
		t.Errorf("state verify: %v\n%s", err, out)
	}
}

// checkProcess makes sure that the connector has no rights but those of its user.
func (c *container) checkProcess(t *testing.T, pid int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("\nUid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", containerUser),
		fmt.Sprintf("\nGid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", containerUser),
		"\nCapEff:\t0000000000000000\n",
	} {
		if !bytes.Contains(status, []byte(want)) {
			t.Errorf("the process is not %q:\n%s", want, status)
		}
	}
	if _, err := os.Stat(filepath.Join(c.data, "crmsync.db")); err != nil {
		t.Errorf("the state is not on the volume: %v", err)
	}
}

// testDemo shows that temporary files have a place, and that it is left clean.
func (c *container) testDemo(t *testing.T) {
	if out, err := c.command(t, nil, "demo", "--once").CombinedOutput(); err != nil {
		t.Errorf("demo: %v\n%s", err, out)
	}
	if left, err := filepath.Glob(c.data + "/crmsync-*"); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v %v", left, err)
	}
}
