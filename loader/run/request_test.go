package run

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/config"
	"leaklab/loader/load"
)

// planned is the plan of settings for a server that runs already.
func planned(t *testing.T, settings map[string]string) plan {
	t.Helper()
	cfg, err := config.Parse(settings)
	require.NoError(t, err)
	return planOf(cfg, nil, nil)
}

func TestRequestOfTheSettings(t *testing.T) {
	folder := t.TempDir()
	urls, body := filepath.Join(folder, "urls"), filepath.Join(folder, "body")
	require.NoError(t, os.WriteFile(urls, []byte("# two\n/a?b=c\n\n  http://example.com/d%20e\nhttp://example.com\n"), 0o600))
	require.NoError(t, os.WriteFile(body, []byte("{}\n"), 0o600))
	request, err := planned(t, map[string]string{
		"METHOD": "PATCH", "HEADERS": "host: example.com|X-A: b", "BASIC_AUTH": "me:secret", "URL_FILE": urls, "BODY_FILE": body,
	}).request.read(false)
	require.NoError(t, err)
	assert.Equal(t, load.Request{
		Method: "PATCH", Host: "example.com", Paths: []string{"/a?b=c", "/d%20e", "/"}, Body: []byte("{}\n"),
		Header: []load.Field{{Name: "X-A", Value: "b"}, {Name: "Authorization", Value: "Basic bWU6c2VjcmV0"}},
	}, request)

	for content, want := range map[string]string{
		"/a\nb c\n":                  `expected a file with a URL, or a path that begins with "/", in each line: line 2 is "b c"`,
		"a\n":                        `line 1 is "a"`,
		"\n#\n":                      "there is none",
		"":                           "there is none",
		"/a\x00\n":                   `line 1 is "/a\x00"`,
		strings.Repeat("a", 100_000): "in each line: line 1 is \"aaaaa",
	} {
		require.NoError(t, os.WriteFile(urls, []byte(content), 0o600))
		_, err = planned(t, map[string]string{"URL_FILE": urls}).request.read(false)
		assert.ErrorContains(t, err, want)
		assert.Less(t, len(err.Error()), 500)
	}
	const device = "/dev/zero" // it has no end
	for _, path := range []string{"/does/not/exist", folder, device} {
		_, err = planned(t, map[string]string{"URL_FILE": path, "BODY_FILE": path}).request.read(false)
		for _, setting := range []string{"URL_FILE", "BODY_FILE"} {
			assert.ErrorContains(t, err, fmt.Sprintf("%s=%q: expected a file ", setting, path))
		}
	}
}

func TestUploadHasABody(t *testing.T) {
	for _, test := range []struct {
		settings    map[string]string
		shape, want string
	}{
		{map[string]string{"BODY_BYTES": "13"}, "upload", "leaklab\nleakl"},
		{map[string]string{"BODY": "own"}, "upload", "own"},
		{map[string]string{"BODY_BYTES": "13"}, "keepalive", ""},
	} {
		request, err := planned(t, test.settings).request.read(load.ShapeNamed(test.shape).NeedsBody)
		require.NoError(t, err)
		assert.Equal(t, test.want, string(request.Body))
	}
}
