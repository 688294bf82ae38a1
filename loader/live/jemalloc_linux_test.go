package live

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"leaklab/loader/memory"
)

// jemallocIn returns what a server needs in its environment to have jemalloc, with its heap profiler where conf says so.
func jemallocIn(t *testing.T, conf string) []string {
	t.Helper()
	needs(t, "gdb")
	found, _ := filepath.Glob("/usr/lib/*-linux-gnu/libjemalloc.so.2")
	if len(found) == 0 {
		if os.Getenv("LEAKLAB_REQUIRE_SERVERS") != "" {
			t.Fatal("needs libjemalloc.so.2")
		}
		t.Skip("needs libjemalloc.so.2")
	}
	return []string{"LD_PRELOAD=" + found[0], "MALLOC_CONF=" + conf}
}

// withJemalloc samples an object in 4 KiB, so that 600 objects of 4 KiB are known to some 3%.
func withJemalloc() profiler {
	environment := func(t *testing.T, _ string) []string { return jemallocIn(t, "prof:true,lg_prof_sample:12") }
	return profiler{jemalloc(), environment, 0.25, 64}
}

// jemallocSize is planted: with what the program adds to it, jemalloc takes 4,096 bytes.
const jemallocSize = 4000

func TestCppSitesArePlantedWithJemalloc(t *testing.T) {
	findPlanted(t, buildNative(t, "g++", "-std=c++17", "-O2", "-g", "-pthread", "testdata/sites/native/leak.cc"), jemallocSize, withJemalloc(), plantedInCpp)
}

func TestRustSitesArePlantedWithJemalloc(t *testing.T) {
	findPlanted(t, buildNative(t, "rustc", "-O", "-g", "testdata/sites/native/leak.rs"), jemallocSize, withJemalloc(), plantedInRust)
}

func TestJemallocIsReadToTheByte(t *testing.T) {
	c := startC(t, jemallocIn(t, "tcache:false")...)
	require.True(t, jemalloc().runs(c.process))
	require.False(t, native().runs(c.process))
	o, err := jemalloc().open(t.Context(), c.process, Options{Kind: Jemalloc, Folder: t.TempDir()})
	require.NoError(t, err)
	before := readLive(t, o)
	assert.Equal(t, before.Bytes, readLive(t, o).Bytes, "an idle program")
	c.tell(t, "keep 10000 48")
	kept := readLive(t, o)
	assert.Equal(t, int64(10_000*48), kept.Bytes-before.Bytes)
	assert.Empty(t, kept.Sites)
}

// Each object that the profiler samples takes 16 KiB, which is no memory of the program.
func TestJemallocIsReadBesideItsProfiler(t *testing.T) {
	c := startC(t, jemallocIn(t, "tcache:false,prof:true,lg_prof_sample:12")...)
	o, err := jemalloc().open(t.Context(), c.process, Options{Kind: Jemalloc, Folder: t.TempDir()})
	require.NoError(t, err)
	before := readLive(t, o)
	c.tell(t, "keep 10000 1000")
	assert.InEpsilon(t, 10_000*1024, readLive(t, o).Bytes-before.Bytes, 0.02)
	require.NoError(t, o.close(t.Context()))
}

// A program with jemalloc linked into it, and profiles that are kept.
func TestJemallocThatIsLinkedIntoTheProgram(t *testing.T) {
	jemallocIn(t, "")
	libraries, _ := filepath.Glob("/usr/lib/*-linux-gnu/libjemalloc.a")
	if len(libraries) == 0 {
		t.Skip("needs libjemalloc.a")
	}
	arguments := []string{"-std=c++17", "-O2", "-g", "-pthread", "testdata/sites/native/leak.cc", libraries[0]}
	program := buildNative(t, "g++", arguments...)
	p, address := startPlanted(t, program, "MALLOC_CONF=prof:true,lg_prof_sample:12", "LEAK=vector", "LEAK_BYTES=4000")
	tree, err := Open(t.Context(), memory.Processes(p.PID), Options{Kind: Jemalloc, Folder: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tree.Close(context.Background())) })
	fourClients(t).request(t, address, 200)
	read, err := tree.Live(t.Context())
	require.NoError(t, err)
	largest := slices.IndexFunc(read.Sites, func(s memory.Site) bool { return s.Function != "main" }) // it reserves room
	require.GreaterOrEqual(t, largest, 0)
	assert.Equal(t, "store::line_of", read.Sites[largest].Function, "%+v", read.Sites[largest])
	assert.True(t, read.Sites[largest].Sampled)
	var saved bytes.Buffer
	files, err := tree.Keep(func(_ string, write func(io.Writer) error) error { return write(&saved) })
	require.NoError(t, err)
	name := fmt.Sprintf("jemalloc-%d.heap", p.PID)
	assert.Equal(t, []ProfileFile{{Name: name, Open: "jeprof --text --lines " + program + " " + name}}, files)
	assert.True(t, bytes.HasPrefix(saved.Bytes(), []byte("heap_v2/4096\n")))
}

// Processes are asked at once. Each has a file of its own for profiles, though they were forked without exec.
func TestJemallocOfProcessesThatWereForked(t *testing.T) {
	c := startC(t, jemallocIn(t, "prof:true,lg_prof_sample:12")...)
	c.tell(t, "fork 3 1000")
	tree, err := Open(t.Context(), memory.Processes(c.PID), Options{Kind: Jemalloc, Folder: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tree.Close(context.Background())) })
	for range 2 {
		read, err := tree.Live(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 4, read.Processes)
		require.NotEmpty(t, read.Sites)
		kept := float64((1 + 2 + 3) * 1000 * 1024) // each child keeps more than the one before
		assert.Greater(t, float64(read.Bytes), kept)
		assert.InEpsilon(t, kept, read.Sites[0].Bytes, 0.25, "%+v", read.Sites[0])
	}
}

// What was opened in the process is closed.
func TestJemallocLeavesNothingBehind(t *testing.T) {
	c := startC(t, jemallocIn(t, "prof:true")...)
	descriptors := func() int {
		all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.PID))
		require.NoError(t, err)
		return len(all)
	}
	before := descriptors()
	o, err := jemalloc().open(t.Context(), c.process, Options{Kind: Jemalloc, Folder: t.TempDir()})
	require.NoError(t, err)
	assert.Contains(t, o.said(), "a file in memory")
	assert.Equal(t, before+1, descriptors())
	require.NoError(t, o.close(t.Context()))
	assert.Equal(t, before, descriptors())
	c.tell(t, "keep 1 1")
}

// A program may put another file in the place of that for profiles.
func TestJemallocIsNotBelieved(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	_, err := (&jemallocProgram{shown: pipe}).dumped()
	require.ErrorContains(t, err, "expected a regular file")
	huge := filepath.Join(t.TempDir(), "huge")
	require.NoError(t, os.WriteFile(huge, nil, 0o600))
	require.NoError(t, os.Truncate(huge, 1<<40))
	content, err := (&jemallocProgram{shown: huge}).dumped()
	require.NoError(t, err)
	assert.Len(t, content, jemallocMost)
}
