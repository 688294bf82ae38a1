package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

func namesWhere(chosen func(Setting) bool) []string {
	var names []string
	for _, s := range Settings() {
		if chosen(s) {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestSettingsAreListedOnceWithTheirTags(t *testing.T) {
	const known = "env envDefault group help default docker compose secret machine movable redact flag "
	tag := regexp.MustCompile(`(\w+):"`)
	for _, list := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[outside]()} {
		for field := range list.Fields() {
			for _, name := range tag.FindAllStringSubmatch(regexp.MustCompile(`:"(\\.|[^"])*"`).ReplaceAllString(string(field.Tag), `:"`), -1) {
				assert.Contains(t, known, name[1]+" ", field.Name)
			}
		}
	}
	seen := make(map[string]bool)
	for _, s := range Settings() {
		assert.Regexp(t, "^[A-Z][A-Z_]*[A-Z]$", s.Name)
		assert.False(t, seen[s.Name], s.Name)
		seen[s.Name] = true
		assert.Contains(t, Groups(), s.Group, s.Name)
		assert.NotEmpty(t, s.Help, s.Name)
		assert.NotRegexp(t, `\.$`, s.Help, s.Name)
		assert.LessOrEqual(t, len(strings.Fields(s.Help)), 25, s.Name)
	}
	tries := byName()["TRIES"]
	assert.Equal(t, "tries auto auto Run", strings.Join([]string{tries.Flag, tries.Default, tries.Shown, tries.Group}, " "))
}

// What is secret, or of this machine, is a promise to the user.
func TestKindsOfSettings(t *testing.T) {
	for name, test := range map[string]struct {
		chosen func(Setting) bool
		want   string
	}{
		"secret":   {func(s Setting) bool { return s.Secret }, "BASIC_AUTH BODY HEADERS LOAD_COMMAND"},
		"machine":  {func(s Setting) bool { return s.Machine }, "ALLOW_REMOTE GRAFANA_URL HOST_RESULTS METRICS_PORT RESULTS SCRAPE_WAIT SERVER_PID"},
		"movable":  {func(s Setting) bool { return s.Movable }, "BASELINE_PORT BODY_FILE HOST METRICS_URL PORT PPROF_URL PROTOSET URL_FILE"},
		"redacted": {func(s Setting) bool { return s.Redacted }, "GRAFANA_URL METRICS_URL PPROF_URL"},
		"switch":   {func(s Setting) bool { return s.Switch }, "ALIGN ALLOW_REMOTE LIVE_SNAPSHOT TLS_INSECURE"},
		"choices":  {func(s Setting) bool { return s.Choices != nil }, "CONNECTIONS LEAK LIVE PROTOCOL SHAPE SITES UNIQUE"},
		"no flag":  {func(s Setting) bool { return s.Loader && s.Flag == "" }, "BASELINE_HOST HOST_RESULTS SERVER_IMAGE"},
	} {
		assert.Equal(t, test.want, strings.Join(namesWhere(test.chosen), " "), name)
	}
}

// composeFiles are all files for Compose, by path.
func composeFiles(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for _, pattern := range []string{"*.yml", "*/*.yml"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			if regexp.MustCompile(`(?m)^services:$`).Match(content) {
				files[path] = string(content)
			}
		}
	}
	require.GreaterOrEqual(t, len(files), 4)
	return files
}

func TestComposeFilesNameOnlySettings(t *testing.T) {
	used, settings := make(map[string]bool), byName()
	for path, content := range composeFiles(t) {
		for _, match := range regexp.MustCompile(`\$\{(\w+)`).FindAllStringSubmatch(content, -1) {
			used[match[1]] = true
			_, found := settings[match[1]]
			assert.True(t, found, "%s: %s", path, match[1])
		}
		for service, list := range environments(t, content) {
			for name := range list {
				used[name] = true
				_, found := settings[name]
				assert.True(t, found || service == "grafana", "%s: %s: %s", path, service, name)
			}
		}
	}
	for _, s := range Settings() {
		if s.Group == "Docker" {
			assert.True(t, used[s.Name], "no compose file uses %s", s.Name)
		}
	}
}

func TestComposeFilesHaveTheDefaultsOfTheSettings(t *testing.T) {
	differ := map[string]bool{"SCRAPE_WAIT": true, "START_TIMEOUT": true, "TLS_INSECURE": true, "RESULTS": true, "SERVER_IMAGE": true}
	for path, content := range composeFiles(t) {
		for _, match := range regexp.MustCompile(`\$\{(\w+):-([^}$]+)\}`).FindAllStringSubmatch(content, -1) {
			s := byName()[match[1]]
			if !differ[s.Name] && s.Name != "SERVER_PORT" && !strings.HasSuffix(s.Name, "ENV_FILE") {
				assert.Equal(t, s.Shown, match[2], "%s: %s", path, s.Name)
			}
		}
	}
}

// environments returns the environment of each service in the content of a compose file; a value that is passed on is nil.
func environments(t *testing.T, content string) map[string]map[string]*string {
	t.Helper()
	var file struct {
		Services map[string]struct {
			Environment yaml.Node `yaml:"environment"`
		} `yaml:"services"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(content), &file))
	lists := make(map[string]map[string]*string)
	for name, service := range file.Services {
		var list map[string]*string
		if service.Environment.Kind == yaml.MappingNode {
			require.NoError(t, service.Environment.Decode(&list))
		}
		lists[name] = list
	}
	return lists
}

func TestComposePassesEachSettingToTheLoader(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	require.NoError(t, err)
	list := environments(t, string(content))["loader"]
	for _, s := range Settings() {
		value, found := list[s.Name]
		switch {
		case s.Compose == "-", !s.Loader && s.Compose == "":
			assert.False(t, found, "%s is not for it", s.Name)
		case s.Compose == "":
			assert.True(t, found && value == nil, "%s: has to be passed on", s.Name)
		case assert.NotNil(t, value, s.Name):
			assert.Equal(t, s.Compose, *value, s.Name)
		}
	}
}

func TestEnvFileHasTheDefaults(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, ".env"))
	require.NoError(t, err)
	values, err := parseEnvFile(".env", string(content))
	require.NoError(t, err)
	assert.Greater(t, len(values), 10)
	for _, v := range values {
		s := byName()[v.name]
		assert.Equal(t, s.Shown, v.value, v.name)
	}
}
