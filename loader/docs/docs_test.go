package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/config"
)

var root = filepath.Join("..", "..")

func TestTablesAreWhatTheCodeSays(t *testing.T) {
	for _, table := range tables {
		t.Run(table.page+" "+table.marker, func(t *testing.T) {
			page, err := os.ReadFile(filepath.Join(root, table.page))
			require.NoError(t, err)
			text, err := table.write(root)
			require.NoError(t, err)
			assert.Greater(t, strings.Count(text, "\n"), 5)
			wanted, err := table.replaced(string(page), text)
			require.NoError(t, err)
			assert.Equal(t, wanted, string(page), "go generate work brings it up to date")
		})
	}
}

func TestReplaced(t *testing.T) {
	x := table{"a.md", "x", nil}
	page, err := x.replaced("a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n<!-- y:begin -->\n", "\nnew\n\n")
	require.NoError(t, err)
	assert.Equal(t, "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n<!-- y:begin -->\n", page)
	for _, wrong := range []string{"", "<!-- x:begin -->\n", "<!-- x:end -->\n<!-- x:begin -->\n", "<!-- x:begin -->\n<!-- x:end -->\n<!-- x:begin -->\n"} {
		_, err := x.replaced(wrong, "new")
		assert.ErrorContains(t, err, `expected "<!-- x:begin -->" and "<!-- x:end -->"`, wrong)
	}
}

func TestModesByTheShapeThatFindsThem(t *testing.T) {
	const header = "| mode | leaks | what it does | found by `SHAPE` |\n|---|---|---|---|\n"
	found, err := foundBy(header + "| `none` | no | keeps `x` | |\n| `heap` | yes | keeps | `keepalive` |\n| `log` | yes | keeps | `keepalive` |\n| `conn` | yes | keeps | `churn` |\n| `stream` | yes | keeps | `churn` with `PROTOCOL=sse` |\n")
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{"keepalive": {"`heap`", "`log`"}, "churn": {"`conn`", "`stream` with `PROTOCOL=sse`"}}, found)
	_, err = foundBy(header + "| `heap` | yes | keeps | `none` |\n")
	assert.ErrorContains(t, err, "`heap` is found by \"none\": expected one of keepalive, churn")
}

func TestMarkdown(t *testing.T) {
	assert.Equal(t, "| a | b |\n|---|---|\n| x\\|y | |\n", markdown([]string{"a", "b"}, [][]string{{"x|y", ""}}))
	assert.Equal(t, "see `MAX_TRIES`, `TRIES=auto` and HTTP", inCode("see MAX_TRIES, TRIES=auto and HTTP"))
	assert.Equal(t, "`a` TRIES", inCode("`a` TRIES"))
	assert.Equal(t, "`Accept: a|B: c`; a Host listens on `HOST:PORT`, see `compose/image.yml`", inCode("Accept: a|B: c; a Host listens on HOST:PORT, see compose/image.yml"))
}

func TestEverySettingIsInTheTable(t *testing.T) {
	text, err := settings(root)
	require.NoError(t, err)
	for _, s := range config.Settings() {
		assert.Equal(t, 1, strings.Count(text, "\n| `"+s.Name+"` |"), s.Name)
	}
	assert.Contains(t, text, "\n| `TOLERANCE` | 4 | growth, in bytes per request, that still counts as \"no leak\" |\n")
	assert.Contains(t, text, "\n| `PROTOCOL` | http1 | HTTP/1.1, HTTP/1.1 over TLS, HTTP/2 with prior knowledge, HTTP/2 over TLS, gRPC, gRPC over TLS, WebSocket, WebSocket over TLS, or server-sent events; no HTTP/3 (docs/performance.md): `http1`, `https`, `h2c`, `h2`, `grpc`, `grpcs`, `ws`, `wss`, `sse` |\n")
	assert.Contains(t, text, "`Accept: text/html\\|X-Color: blue`")
}
