package live

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// tcmallocIn returns what a server needs in its environment; the test needs the library.
func tcmallocIn(t *testing.T, folder string) []string {
	t.Helper()
	variables, err := tcmalloc().launch(nil, Options{Kind: TCMalloc, Folder: folder})
	if err != nil && os.Getenv("LEAKLAB_REQUIRE_SERVERS") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	return variables
}

func TestTCMallocIsReadToTheByte(t *testing.T) {
	folder := t.TempDir()
	c := startC(t, tcmallocIn(t, folder)...)
	require.True(t, tcmalloc().runs(c.process))
	require.False(t, native().runs(c.process))
	program, err := tcmalloc().open(t.Context(), c.process, Options{Kind: TCMalloc, Folder: folder})
	require.NoError(t, err)
	readLive(t, program)
	before := readLive(t, program)
	assert.Equal(t, before.Bytes, readLive(t, program).Bytes, "an idle program")
	c.tell(t, "keep 10000 48")
	kept := readLive(t, program)
	assert.Equal(t, int64(10_000*48), kept.Bytes-before.Bytes)
	assert.GreaterOrEqual(t, kept.Heap, kept.Bytes)
	assert.GreaterOrEqual(t, kept.Committed, kept.Heap)
	c.tell(t, "churn 100000 100")
	churned := readLive(t, program)
	assert.Equal(t, kept.Bytes, churned.Bytes)
	assert.Greater(t, churned.Heap-kept.Heap, int64(5<<20), "what was freed stays in RAM, as slack")

	// The newest dump is kept. Its sites add up to the total, and google/pprof reads it.
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(folder, fmt.Sprintf("tcmalloc-%d.prof", c.PID))}, files)
	content, err := os.ReadFile(files[0])
	require.NoError(t, err)
	parsed, err := profile.Parse(bytes.NewReader(content))
	require.NoError(t, err)
	inUse := slices.IndexFunc(parsed.SampleType, func(v *profile.ValueType) bool { return v.Type == "inuse_space" })
	require.GreaterOrEqual(t, inUse, 0)
	var sum int64
	for _, sample := range parsed.Sample {
		sum += sample.Value[inUse]
	}
	assert.Equal(t, churned.Bytes, sum)
}

func TestTCMallocProfilesAreKept(t *testing.T) {
	folder := t.TempDir()
	c := startC(t, tcmallocIn(t, folder)...)
	tree, err := Open(t.Context(), memory.Processes(c.PID), Options{Kind: TCMalloc, Folder: folder})
	require.NoError(t, err)
	_, err = tree.Live(t.Context())
	require.NoError(t, err)
	var saved bytes.Buffer
	files, err := tree.Keep(func(_ string, write func(io.Writer) error) error { return write(&saved) })
	require.NoError(t, err)
	name := fmt.Sprintf("tcmalloc-%d.prof", c.PID)
	assert.Equal(t, []ProfileFile{{Name: name, Open: "go tool pprof " + c.Exe + " " + name}}, files)
	_, err = profile.Parse(&saved)
	require.NoError(t, err)

	files, err = tree.Keep(func(string, func(io.Writer) error) error { return errors.New("disk full") })
	require.ErrorContains(t, err, "disk full")
	assert.Empty(t, files)
}

func TestTCMallocBesideThreadsInsideMalloc(t *testing.T) {
	folder := t.TempDir()
	c := startC(t, tcmallocIn(t, folder)...)
	program, err := tcmalloc().open(t.Context(), c.process, Options{Kind: TCMalloc, Folder: folder})
	require.NoError(t, err)
	c.tell(t, "hammer 3")
	for range 20 {
		assert.Positive(t, readLive(t, program).Bytes)
	}
	c.tell(t, "keep 1 1")
}

// A shell has the profiler too, and so does the program that it starts. The names of its dumps have its PID.
func TestTCMallocBelowAShell(t *testing.T) {
	folder := t.TempDir()
	needs(t, "sh")
	c := startCommand(t, exec.Command("sh", "-c", `"$0" <&0; echo ended`, buildC(t)), tcmallocIn(t, folder)...)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", c.PID, c.PID))
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(string(children)))
	require.NoError(t, err)
	var both []opened
	for _, pid := range []int{c.PID, child} {
		p := processOf(t, pid)
		require.True(t, tcmalloc().runs(p))
		program, err := tcmalloc().open(t.Context(), p, Options{Kind: TCMalloc, Folder: folder})
		require.NoError(t, err)
		both = append(both, program)
	}
	shell, before := readLive(t, both[0]), readLive(t, both[1])
	c.tell(t, "keep 10000 48")
	assert.Equal(t, shell.Bytes, readLive(t, both[0]).Bytes)
	assert.Equal(t, int64(10_000*48), readLive(t, both[1]).Bytes-before.Bytes)
}

// Processes that were forked without exec all count their dumps alike, under the same names.
func TestTCMallocOfProcessesThatWereForked(t *testing.T) {
	folder := t.TempDir()
	c := startC(t, tcmallocIn(t, folder)...)
	c.tell(t, "fork 3 1000")
	tree, err := Open(t.Context(), memory.Processes(c.PID), Options{Kind: TCMalloc, Folder: folder})
	require.NoError(t, err)
	_, err = tree.Live(t.Context())
	require.NoError(t, err)
	before, err := tree.Live(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 4, before.Processes)
	for range 5 {
		read, err := tree.Live(t.Context())
		require.NoError(t, err)
		assert.Equal(t, before.Bytes, read.Bytes, "idle processes")
	}
	assert.Greater(t, before.Bytes, int64((1+2+3)*1000*1000), "each child keeps more than the one before")
	c.tell(t, "keep 1 1")
}

func TestTCMallocProgramThatEnded(t *testing.T) {
	folder := t.TempDir()
	c := startC(t, tcmallocIn(t, folder)...)
	program, err := tcmalloc().open(t.Context(), c.process, Options{Kind: TCMalloc, Folder: folder})
	require.NoError(t, err)
	require.NoError(t, c.command.Process.Kill())
	_ = c.command.Wait()
	_, err = program.live(t.Context())
	assert.ErrorIs(t, err, memory.ErrGone)
}

func TestTCMallocSendsNoSignalThatEndsTheProgram(t *testing.T) {
	c := startC(t)
	assert.False(t, tcmalloc().runs(c.process))
	_, err := tcmalloc().open(t.Context(), c.process, Options{Kind: TCMalloc, Folder: t.TempDir()})
	assert.ErrorContains(t, err, "no heap profiler")
	assert.ErrorContains(t, (&tcmallocProgram{process: c.process, folder: t.TempDir()}).ask(), "no heap profiler")
	c.tell(t, "keep 1 1")
}

func TestTCMallocEnvironment(t *testing.T) {
	folder := t.TempDir()
	variables, err := tcmalloc().launch(nil, Options{Kind: Auto, Folder: folder})
	require.NoError(t, err)
	assert.Empty(t, variables, "it costs too much to be chosen by itself")

	library := filepath.Join(folder, "aarch64-linux-gnu", tcmallocLibrary)
	require.NoError(t, os.MkdirAll(filepath.Dir(library), 0o755))
	require.NoError(t, os.WriteFile(library, nil, 0o600))
	found, err := findTCMalloc([]string{"/nonexistent", filepath.Join(folder, "*-linux-gnu")})
	require.NoError(t, err)
	assert.Equal(t, library, found)
	_, err = findTCMalloc([]string{"/nonexistent"})
	assert.EqualError(t, err, `expected libtcmalloc.so.4 (in Debian's package libgoogle-perftools4)`)

	tcmallocIn(t, folder)
	variables, err = tcmalloc().launch([]string{"LD_PRELOAD=/lib/own.so"}, Options{Kind: TCMalloc, Folder: folder})
	require.NoError(t, err)
	assert.Regexp(t, `^LD_PRELOAD=/lib/own\.so:/.*/libtcmalloc\.so\.4$`, variables[0])
	assert.Contains(t, variables, "HEAPPROFILE="+folder+"/tcmalloc")
}

func TestParseHeapTotal(t *testing.T) {
	content, err := os.ReadFile("testdata/tcmalloc/keeper.heap")
	require.NoError(t, err)
	total, err := parseHeapTotal(content)
	require.NoError(t, err)
	assert.Equal(t, int64(484_096), total)
	for _, line := range []string{
		"", "\n", "heap_v2/524288\n", "heap profile: 1: -8 [1: 8] @ heapprofile\n", "heap profile: 1: 8 [1: 9] @ heap/1048576\n",
		"heap profile: 1: 99999999999999999999 [1: 8] @ heapprofile\n", "heap profile: 1: 9999999999999999 [1: 8] @ heapprofile\n",
	} {
		_, err := parseHeapTotal([]byte(line))
		assert.Error(t, err, "%q", line)
	}
	_, err = parseHeapTotal(bytes.Repeat([]byte("a"), 1<<20))
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 200)
}
