package app_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// manifest is what README.md tells Kubernetes.
type manifest struct {
	claim      corev1.PersistentVolumeClaim
	deployment appsv1.Deployment
	service    corev1.Service
}

// readManifest decodes as strictly as the API server can be told to:
// a member that the types do not have, or that comes twice, is an error.
func readManifest(t *testing.T) manifest {
	t.Helper()
	var m manifest
	kinds := map[string]any{
		"v1 PersistentVolumeClaim": &m.claim, "apps/v1 Deployment": &m.deployment, "v1 Service": &m.service,
	}
	for text := range strings.SplitSeq(readmeBlock(t, "crmsync.yaml"), "\n---\n") {
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(text), &head); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		name := head.APIVersion + " " + head.Kind
		into, ok := kinds[name]
		if !ok {
			t.Fatalf("%q is not expected, or comes twice", name)
		}
		delete(kinds, name)
		if err := yaml.UnmarshalStrict([]byte(text), into, yaml.DisallowUnknownFields); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if len(kinds) > 0 {
		t.Fatalf("missing: %v", kinds)
	}
	return m
}

// pod returns the only container and what is around it.
func (m manifest) pod(t *testing.T) (corev1.PodSpec, corev1.Container) {
	t.Helper()
	spec := m.deployment.Spec.Template.Spec
	if len(spec.Containers) != 1 {
		t.Fatalf("%d containers", len(spec.Containers))
	}
	return spec, spec.Containers[0]
}

func TestContainer_ManifestRunsOne(t *testing.T) {
	m := readManifest(t)
	d := m.deployment.Spec
	if d.Replicas == nil || *d.Replicas != 1 || d.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Errorf("replicas %v, strategy %s: one process at a time may use the state", d.Replicas, d.Strategy.Type)
	}
	for name, want := range d.Selector.MatchLabels {
		if d.Template.Labels[name] != want || m.service.Spec.Selector[name] != want {
			t.Errorf("label %s: pod %q, service %q, want %q", name, d.Template.Labels[name], m.service.Spec.Selector[name], want)
		}
	}
	if len(d.Selector.MatchLabels) == 0 || len(m.service.Spec.Selector) == 0 {
		t.Error("a selector without labels")
	}
	if grace := d.Template.Spec.TerminationGracePeriodSeconds; grace == nil || *grace < 10 {
		t.Errorf("grace period %v: draining takes up to 9 s", grace)
	}
	if modes := m.claim.Spec.AccessModes; !slices.Contains(modes, corev1.ReadWriteOnce) {
		t.Errorf("access modes %v", modes)
	}
}

func TestContainer_ManifestIsUnprivileged(t *testing.T) {
	spec, c := readManifest(t).pod(t)
	if links := spec.EnableServiceLinks; links == nil || *links {
		t.Error("enableServiceLinks is on")
	}
	if token := spec.AutomountServiceAccountToken; token == nil || *token {
		t.Error("the pod gets a token of the cluster that it does not need")
	}
	pod, own := spec.SecurityContext, c.SecurityContext
	if pod == nil || own == nil {
		t.Fatal("no security context")
	}
	for name, id := range map[string]*int64{"runAsUser": pod.RunAsUser, "runAsGroup": pod.RunAsGroup, "fsGroup": pod.FSGroup} {
		if id == nil || *id != containerUser {
			t.Errorf("%s is not %d", name, containerUser)
		}
	}
	for name, on := range map[string]*bool{"runAsNonRoot": pod.RunAsNonRoot, "readOnlyRootFilesystem": own.ReadOnlyRootFilesystem} {
		if on == nil || !*on {
			t.Errorf("%s is off", name)
		}
	}
	if up := own.AllowPrivilegeEscalation; up == nil || *up {
		t.Error("allowPrivilegeEscalation is on")
	}
	if own.Capabilities == nil || !slices.Contains(own.Capabilities.Drop, "ALL") {
		t.Error("capabilities are kept")
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
		t.Errorf("resources %v", c.Resources)
	}
}

func TestContainer_ManifestProbesAndPorts(t *testing.T) {
	m := readManifest(t)
	_, c := m.pod(t)
	exposed := readDockerfile(t)[1].only(t, "EXPOSE").text
	if len(c.Ports) != 1 || c.Ports[0].Name != "http" || exposed != "8080" || c.Ports[0].ContainerPort != 8080 {
		t.Errorf("ports %v, the image exposes %s", c.Ports, exposed)
	}
	for want, probe := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != want || probe.HTTPGet.Port.String() != "http" {
			t.Errorf("probe %v, want %s", probe, want)
		}
	}
	if ports := m.service.Spec.Ports; len(ports) != 1 || ports[0].TargetPort.String() != "http" {
		t.Errorf("ports of the service %v", ports)
	}
}

func TestContainer_ManifestVolumes(t *testing.T) {
	m := readManifest(t)
	spec, c := m.pod(t)
	mounts := map[string]corev1.Volume{}
	for _, mount := range c.VolumeMounts {
		i := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		if i < 0 {
			t.Fatalf("volume %s is not there", mount.Name)
		}
		mounts[mount.MountPath] = spec.Volumes[i]
	}
	if state := mounts[containerState].PersistentVolumeClaim; state == nil || state.ClaimName != m.claim.Name {
		t.Errorf("%s is not the claim %s", containerState, m.claim.Name)
	}
	files := 0
	for _, v := range c.Env {
		if v.ValueFrom != nil {
			t.Errorf("%s: secrets are files", v.Name)
		}
		if !strings.HasSuffix(v.Name, "_FILE") {
			continue
		}
		files++
		secret := mounts[path.Dir(v.Value)].Secret
		if secret == nil || secret.DefaultMode == nil || *secret.DefaultMode != 0o440 {
			t.Errorf("%s: %s is not of a secret that only the group reads", v.Name, v.Value)
		}
	}
	if files == 0 {
		t.Error("no secret is used")
	}
}

// composeFile holds the members of the Compose format that README.md uses.
// https://docs.docker.com/reference/compose-file/
type composeFile struct {
	Services map[string]struct {
		Image       string            `json:"image"`
		Restart     string            `json:"restart"`
		ReadOnly    bool              `json:"read_only"`
		CapDrop     []string          `json:"cap_drop"`
		SecurityOpt []string          `json:"security_opt"`
		Ports       []string          `json:"ports"`
		Environment map[string]string `json:"environment"`
		Secrets     []string          `json:"secrets"`
		Volumes     []string          `json:"volumes"`
	} `json:"services"`
	Volumes map[string]struct{} `json:"volumes"`
	Secrets map[string]struct {
		File string `json:"file"`
	} `json:"secrets"`
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var f composeFile
	if err := yaml.UnmarshalStrict([]byte(readmeBlock(t, "compose.yaml")), &f, yaml.DisallowUnknownFields); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestContainer_Compose(t *testing.T) {
	f := readCompose(t)
	c, ok := f.Services["crmsync"]
	if !ok || !c.ReadOnly || !slices.Equal(c.CapDrop, []string{"ALL"}) || !slices.Equal(c.Ports, []string{"8080:8080"}) {
		t.Errorf("service %+v", c)
	}
	volume, at, _ := strings.Cut(strings.Join(c.Volumes, " "), ":")
	if _, ok := f.Volumes[volume]; !ok || at != containerState {
		t.Errorf("volumes %v, declared %v", c.Volumes, f.Volumes)
	}
	for name, value := range c.Environment {
		if !strings.HasSuffix(name, "_FILE") {
			continue
		}
		secret := path.Base(value)
		if path.Dir(value) != "/run/secrets" || !slices.Contains(c.Secrets, secret) || f.Secrets[secret].File == "" {
			t.Errorf("%s: %s is not a secret of the service", name, value)
		}
	}
}

// TestContainer_ReadmeConfigurationsAreSound runs check with the variables
// that README.md gives the container, its paths moved below a directory.
func TestContainer_ReadmeConfigurationsAreSound(t *testing.T) {
	_, c := readManifest(t).pod(t)
	kubernetes := map[string]string{}
	for _, v := range c.Env {
		kubernetes[v.Name] = v.Value
	}
	for name, env := range map[string]map[string]string{
		"Kubernetes": kubernetes, "Compose": readCompose(t).Services["crmsync"].Environment,
	} {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "crmsync", "check", "--offline")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "CRMSYNC_STATE=" + filepath.Join(dir, "crmsync.db"), "GORACE=atexit_sleep_ms=0"}
		for variable, value := range env {
			if strings.HasSuffix(variable, "_FILE") {
				value = filepath.Join(dir, filepath.FromSlash(value))
				writeSecret(t, value)
			}
			cmd.Env = append(cmd.Env, variable+"="+value)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// writeSecret writes a secret that is good as any of ours, with the line end
// that editors leave.
func writeSecret(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(endToEndSecrets[0]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
