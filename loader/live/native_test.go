package live

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseMallocInfo(t *testing.T) {
	text, err := os.ReadFile("testdata/native/malloc_info.xml")
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(string(text), "<heap "), "arenas")
	read, err := parseMallocInfo(text)
	require.NoError(t, err)
	// The lowest bit of the size of each free chunk is a flag, which "rest" includes, except for the top of each arena.
	assert.Equal(t, int64(1420446+70-4), read.chunks)
	assert.Equal(t, int64(1642496), read.committed())
}

func TestParseMallocInfoTakesNoNonsense(t *testing.T) {
	text, err := os.ReadFile("testdata/native/malloc_info.xml")
	require.NoError(t, err)
	valid := string(text)
	for name, broken := range map[string]string{
		"empty":     "",
		"cut":       valid[:len(valid)/2],
		"no totals": "<malloc version=\"1\"></malloc>",
		"other":     "<html></html>",
		"negative":  strings.ReplaceAll(valid, "<system type=\"current\" size=\"", "<system type=\"current\" size=\"-"),
		"huge":      strings.ReplaceAll(valid, "<system type=\"current\" size=\"", "<system type=\"current\" size=\"99999999999"),
		"no number": strings.ReplaceAll(valid, "<system type=\"current\" size=\"", "<system type=\"current\" size=\"0x"),
		"entities":  "<!DOCTYPE malloc [<!ENTITY a \"aaaa\">]><malloc>&a;</malloc>",
	} {
		_, err := parseMallocInfo([]byte(broken))
		assert.Error(t, err, name)
	}
	_, err = parseMallocInfo([]byte(`<malloc><total type="fast" size="0"/><total type="rest" count="1" size="3"/>` +
		`<total type="mmap" size="0"/><system type="current" size="1"/></malloc>`))
	assert.Error(t, err, "more is free than there is")
}

func TestNativeRunsGlibcAlone(t *testing.T) {
	for name, c := range map[string]struct {
		exe    string
		mapped []string
		want   bool
	}{
		"C":              {"/usr/sbin/server", []string{"/usr/sbin/server", "/lib/x86_64-linux-gnu/libc.so.6"}, true},
		"before 2.34":    {"/usr/sbin/server", []string{"/lib/x86_64-linux-gnu/libc-2.31.so"}, true},
		"static or musl": {"/usr/sbin/server", []string{"/lib/ld-musl-x86_64.so.1"}, false},
		"libcrypt":       {"/usr/sbin/server", []string{"/lib/libc-client.so", "/lib/libcrypt.so.1"}, false},
		"jemalloc":       {"/usr/sbin/server", []string{"/lib/libc.so.6", "/lib/libjemalloc.so.2"}, false},
		"tcmalloc":       {"/usr/sbin/server", []string{"/lib/libc.so.6", "/lib/libtcmalloc_minimal.so.4"}, false},
		"Ruby":           {"/usr/bin/puma", []string{"/lib/libc.so.6", "/lib/libruby-3.1.so.3.1"}, false},
		"Java":           {"/opt/app", []string{"/lib/libc.so.6", "/opt/lib/server/libjvm.so"}, false},
		"Python":         {"/usr/bin/python3.11", []string{"/lib/libc.so.6"}, false},
		"Erlang":         {"/usr/lib/erlang/bin/beam.smp", []string{"/lib/libc.so.6"}, false},
	} {
		assert.Equal(t, c.want, native().runs(process{PID: 1 << 22, Exe: c.exe, Mapped: c.mapped}), name)
	}
	assert.False(t, native().runs(process{PID: os.Getpid(), Exe: "/server", Mapped: []string{"/lib/libc.so.6"}}), "a Go program with cgo")
}
