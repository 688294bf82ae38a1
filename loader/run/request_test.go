package run

import (
	"bytes"
	"fmt"
	"io"
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

// keepsNone fails if a file stays open.
func keepsNone(t *testing.T) func(io.Closer) {
	return func(file io.Closer) {
		t.Error("a file is kept")
		_ = file.Close()
	}
}

func contentOf(t *testing.T, body load.Body) string {
	t.Helper()
	content, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	require.NoError(t, err)
	return string(content)
}

func TestRequestOfTheSettings(t *testing.T) {
	folder := t.TempDir()
	urls, body := filepath.Join(folder, "urls"), filepath.Join(folder, "body")
	require.NoError(t, os.WriteFile(urls, []byte("# two\n/a?b=c\n\n  http://example.com/d%20e\nhttp://example.com\n"), 0o600))
	require.NoError(t, os.WriteFile(body, []byte("{}\n"), 0o600))
	request, err := planned(t, map[string]string{
		"METHOD": "PATCH", "HEADERS": "host: example.com|X-A: b", "BASIC_AUTH": "me:secret", "URL_FILE": urls, "BODY_FILE": body,
	}).request.read(false, keepsNone(t))
	require.NoError(t, err)
	assert.Equal(t, load.Request{
		Method: "PATCH", Host: "example.com", Paths: []string{"/hello/warp"}, Body: bytes.NewReader([]byte("{}\n")),
		Targets: []load.Target{{Path: "/a?b=c"}, {Path: "/d%20e"}, {Path: "/"}}, Unique: []string{"path", "header"},
		Header: []load.Field{{Name: "X-A", Value: "b"}, {Name: "Authorization", Value: "Basic bWU6c2VjcmV0"}},
	}, request.Request)

	for content, want := range map[string]string{
		"/a\nb/ c\n":                 `line 2: "b/ c": expected a URL, or a path that begins with "/"`,
		"a\n":                        `line 1: "a": expected a URL, or a path that begins with "/"`,
		"\n#\n":                      `expected a file with a URL, or a path that begins with "/", in each line: there is none`,
		"":                           "there is none",
		"/a\x00\n":                   `line 1: "/a\x00": expected a URL`,
		strings.Repeat("a", 100_000): "line 1: \"aaaaa",
	} {
		require.NoError(t, os.WriteFile(urls, []byte(content), 0o600))
		_, err = planned(t, map[string]string{"URL_FILE": urls}).request.read(false, keepsNone(t))
		assert.ErrorContains(t, err, want)
		assert.Less(t, len(err.Error()), 500)
	}
	const device = "/dev/zero" // it has no end
	for _, path := range []string{"/does/not/exist", folder, device} {
		_, err = planned(t, map[string]string{"URL_FILE": path, "BODY_FILE": path}).request.read(false, keepsNone(t))
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
		{map[string]string{"BODY_BYTES": "20000"}, "upload", strings.Repeat("leaklab\n", 2500)},
	} {
		request, err := planned(t, test.settings).request.read(load.ShapeNamed(test.shape).NeedsBody, keepsNone(t))
		require.NoError(t, err)
		if test.want == "" {
			assert.Nil(t, request.Body)
			continue
		}
		assert.Equal(t, test.want, contentOf(t, request.Body))
	}
}

// What is too large for memory is read from its file, each time again, by all who need it.
func TestLargeFilesStayOnDisk(t *testing.T) {
	folder := t.TempDir()
	urls, body := filepath.Join(folder, "urls"), filepath.Join(folder, "body")
	const count = 100_000
	var lines strings.Builder
	for n := range count {
		fmt.Fprintf(&lines, "/item/%d?from=here\n\n# and\n", n)
	}
	large := strings.Repeat("0123456789", 200_000)
	require.NoError(t, os.WriteFile(urls, []byte(lines.String()), 0o600))
	require.NoError(t, os.WriteFile(body, []byte(large), 0o600))
	var kept []io.Closer
	request, err := planned(t, map[string]string{"METHOD": "POST", "URL_FILE": urls, "BODY_FILE": body}).request.
		read(false, func(file io.Closer) { kept = append(kept, file) })
	require.NoError(t, err)
	require.Len(t, kept, 2)
	assert.Equal(t, large, contentOf(t, request.Body))
	one, other := request.ManyTargets(), request.ManyTargets()
	assert.Equal(t, "/item/0?from=here", other().Path)
	for n := range count + 2 { // and from the beginning
		if path := one().Path; path != fmt.Sprintf("/item/%d?from=here", n%count) {
			t.Fatalf("path %d is %s", n, path)
		}
	}
	assert.Equal(t, "/item/1?from=here", other().Path, "each has its own turn")

	require.NoError(t, os.WriteFile(urls, nil, 0o600))
	assert.Equal(t, fmt.Sprintf("/item/%d?from=here", count-1), request.ManyTargets()().Path, "the last that was seen")
	for _, file := range kept {
		assert.NoError(t, file.Close())
	}
	require.NoError(t, os.WriteFile(urls, []byte(lines.String()+"not a path\n"), 0o600))
	_, err = planned(t, map[string]string{"URL_FILE": urls}).request.read(false, keepsNone(t))
	assert.ErrorContains(t, err, `line 300001: "not": expected an HTTP method in capitals`)
	require.NoError(t, os.WriteFile(urls, []byte("/"+strings.Repeat("a", 2<<20)), 0o600))
	_, err = planned(t, map[string]string{"URL_FILE": urls}).request.read(false, keepsNone(t))
	assert.ErrorContains(t, err, "a line is longer than 1048576 bytes")
}
