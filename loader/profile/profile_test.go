package profile

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var kept [][]byte

// keep leaks, at the line below.
func keep(count, size int) {
	for range count {
		kept = append(kept, make([]byte, size)) // the leak
	}
}

func serve(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/debug/pprof/"
}

func TestTheLeakIsNamed(t *testing.T) {
	url := serve(t)
	keep(10, 1<<20)
	runtime.GC()
	before, err := Fetch(t.Context(), url)
	require.NoError(t, err)
	keep(50, 1<<20)
	never := make(chan int)
	for range 100 {
		go func() { <-never }()
	}
	runtime.GC()
	after, err := Fetch(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { close(never); kept = nil })

	sites, err := Growth(before, after, Heap, 3)
	require.NoError(t, err)
	require.NotEmpty(t, sites)
	assert.Equal(t, "leaklab/loader/profile.keep", sites[0].Function)
	assert.Equal(t, "profile_test.go", filepath.Base(sites[0].File))
	assert.EqualValues(t, 24, sites[0].Number)
	assert.Equal(t, "leaklab/loader/profile.TestTheLeakIsNamed", sites[0].Caller.Function)
	assert.Regexp(t, `^leaklab/loader/profile.keep \(profile_test.go:24\)$`, sites[0].String())
	assert.InDelta(t, 50<<20, sites[0].Growth, 15<<20, "a sample of the allocations")

	sites, err = Growth(before, after, Goroutine, 3)
	require.NoError(t, err)
	require.Len(t, sites, 1)
	assert.InDelta(t, 100, sites[0].Growth, 2)
	assert.Empty(t, sites[0].Caller.String())
	assert.Equal(t, "leaklab/loader/profile.TestTheLeakIsNamed.func1", sites[0].Function)

	folder := t.TempDir()
	names, err := after.Save(func(name string, write func(io.Writer) error) error {
		file, err := os.Create(filepath.Join(folder, name))
		require.NoError(t, err)
		return errors.Join(write(file), file.Close())
	}, "end")
	require.NoError(t, err)
	assert.Equal(t, []string{"heap-end.pb.gz", "goroutine-end.pb.gz"}, names)
	for _, kind := range Kinds() {
		file, err := os.Open(filepath.Join(folder, string(kind)+"-end.pb.gz"))
		require.NoError(t, err)
		read, err := profile.Parse(file)
		require.NoError(t, err)
		assert.Equal(t, len(after[kind].Sample), len(read.Sample))
		require.NoError(t, file.Close())
	}
}

func TestNoProfiles(t *testing.T) {
	_, err := Fetch(t.Context(), "http://127.0.0.1:1/debug/pprof")
	assert.Error(t, err)
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, err = Fetch(t.Context(), server.URL)
	assert.ErrorContains(t, err, "/heap answered 404 Not Found")
	garbage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	t.Cleanup(garbage.Close)
	_, err = Fetch(t.Context(), garbage.URL)
	assert.ErrorContains(t, err, garbage.URL+"/heap: ")
	_, err = Fetch(t.Context(), "http://me:hunter2@"+garbage.Listener.Addr().String())
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")

	sites, err := Growth(nil, Snapshot{}, Heap, 3)
	assert.NoError(t, err)
	assert.Empty(t, sites)
}
