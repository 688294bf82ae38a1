package memory

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// heldByItself is what this test's process holds.
func heldByItself(t *testing.T) Reading {
	t.Helper()
	reading, err := OfTree(os.Getpid())(completely(t.Context()))
	require.NoError(t, err)
	require.NotNil(t, reading.Held)
	return reading
}

// fill writes 8 MiB to a file.
func fill(t *testing.T, file *os.File) {
	t.Helper()
	_, err := file.Write(make([]byte, 8<<20))
	require.NoError(t, err)
}

// A memory file counts once: its pages that are mapped as shared memory, the others as unmapped.
func TestAMemoryFileThatNoProcessMaps(t *testing.T) {
	before := heldByItself(t)
	descriptor, err := unix.MemfdCreate("uploads", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	file := os.NewFile(uintptr(descriptor), "uploads")
	fill(t, file)
	open := heldByItself(t)
	assert.EqualValues(t, 8<<20, open.Held.Unmapped-before.Held.Unmapped)
	assert.Equal(t, before.Parts.Shared, open.Parts.Shared)
	assert.GreaterOrEqual(t, open.HeldBytes()-open.Total, int64(8<<20))

	const half = 4 << 20
	mapped, err := unix.Mmap(descriptor, 0, half, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	for n := 0; n < half; n += 4096 {
		require.Zero(t, mapped[n])
	}
	partly := heldByItself(t)
	assert.EqualValues(t, half, partly.Held.Unmapped-before.Held.Unmapped)
	assert.EqualValues(t, half, partly.Parts.Shared-before.Parts.Shared)

	require.NoError(t, unix.Munmap(mapped))
	require.NoError(t, file.Close())
	assert.Equal(t, before.Held.Unmapped, heldByItself(t).Held.Unmapped)
}

// inTmpfs creates a file in a tmpfs.
func inTmpfs(t *testing.T) *os.File {
	t.Helper()
	var system unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &system); err != nil || system.Type != unix.TMPFS_MAGIC {
		t.Skip("/dev/shm is no tmpfs")
	}
	file, err := os.CreateTemp("/dev/shm", "leaklab-test-*")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.Remove(file.Name()) })
	return file
}

func TestAFileInATmpfs(t *testing.T) {
	before := heldByItself(t)
	file := inTmpfs(t)
	fill(t, file)
	assert.EqualValues(t, 8<<20, heldByItself(t).Held.Unmapped-before.Held.Unmapped)
	require.NoError(t, os.Remove(file.Name()))
	assert.EqualValues(t, 8<<20, heldByItself(t).Held.Unmapped-before.Held.Unmapped, "unlinked, but open")
	require.NoError(t, file.Close())
	assert.Equal(t, before.Held.Unmapped, heldByItself(t).Held.Unmapped)

	onDisk, err := os.Create(filepath.Join(t.TempDir(), "uploads"))
	require.NoError(t, err)
	defer onDisk.Close()
	fill(t, onDisk)
	want := before.Held.Unmapped
	if isOn(t, onDisk, unix.TMPFS_MAGIC) {
		want += 8 << 20
	}
	assert.Equal(t, want, heldByItself(t).Held.Unmapped, "the kernel can write a file to the disk")
}

// isOn reports if a file is on a file system of a kind.
func isOn(t *testing.T, file *os.File, kind int64) bool {
	t.Helper()
	var system unix.Statfs_t
	require.NoError(t, unix.Fstatfs(int(file.Fd()), &system))
	return int64(system.Type) == kind
}

// What a server prints may go to a file in a tmpfs. That is not the server's.
func TestStandardStreamsAreNotTheServers(t *testing.T) {
	log := inTmpfs(t)
	defer log.Close()
	fill(t, log)
	server := exec.Command("sh", "-c", "exec 3>&1; read x")
	server.Stdout = log
	stdin, err := server.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = server.Wait()
	})
	reading, err := OfTree(server.Process.Pid)(completely(t.Context()))
	require.NoError(t, err)
	assert.Zero(t, reading.Held.Unmapped)
}

// The heap of ZGC is a memory file that the runtime counts itself.
func TestHeapsInMemoryFilesAreApart(t *testing.T) {
	m := newMappings()
	require.NoError(t, m.parse(strings.NewReader(smaps), mounts{}))
	m.open = map[string]openFile{
		"00:01 5":  {bytes: 16 << 20, heap: true},
		"00:01 3":  {bytes: 1 << 20},
		"00:01 99": {bytes: 4096},
	}
	m.of["00:01 5"].shares, m.of["00:01 3"].shares = 6<<20, 1<<20
	others, heaps := m.unmapped()
	assert.EqualValues(t, 4096, others)
	assert.EqualValues(t, 10<<20, heaps)
	assert.EqualValues(t, 6<<20, m.heapFiles())
	assert.EqualValues(t, 16<<20, m.held().heapFiles, "mapped or not: shared memory of the control group, but no other")
}

// A heap in a memory file fills up to no size that is known: its growth is judged, as that of other heaps is.
func TestAHeapInAMemoryFileIsAnonymous(t *testing.T) {
	const size = 16 << 20
	fd, err := unix.MemfdCreate("java_heap", 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Ftruncate(fd, size))
	heap, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	defer func() { assert.NoError(t, unix.Munmap(heap)) }()
	read := OfTree(os.Getpid())
	before, err := read(completely(t.Context()))
	require.NoError(t, err)
	for n := 0; n < size; n += 4096 {
		heap[n] = 1
	}
	after, err := read(completely(t.Context()))
	require.NoError(t, err)
	assert.InDelta(t, size, after.Parts.Anonymous-before.Parts.Anonymous, size/2)
	assert.Equal(t, before.Parts.Shared, after.Parts.Shared)
	assert.Equal(t, before.Held.MappedSize, after.Held.MappedSize)
	require.NoError(t, unix.Madvise(heap, unix.MADV_REMOVE))
	quick, err := read(t.Context())
	require.NoError(t, err)
	assert.Less(t, quick.Total, after.Total-size/2, "what it gives back is seen as well")
}

func TestPathsInMemory(t *testing.T) {
	m := mounts{points: []mountPoint{{"", false}, {"/dev", true}, {"/dev/disk", false}, {"/run/a b", false}, {"/run/a b", true}}}
	for path, want := range map[string]bool{
		"/dev/shm/x (deleted)": true, "/dev/disk/x": false, "/device": false, "/run/a b/x": true, "/home/x": false,
		"socket:[1]": false, "": false,
	} {
		assert.Equal(t, want, m.hold(path), "%q", path)
	}
	assert.False(t, mounts{}.hold("/dev/shm/x"), "mounts are unknown")
}
