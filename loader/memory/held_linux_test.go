package memory

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const smaps = `55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                 100 kB
LazyFree:              8 kB
AnonHugePages:      2048 kB
SwapPss:              12 kB
VmFlags: rd wr mr mw me ac
7f0000000000-7f0020000000 r--s 00000000 08:01 4711                       /data/my base.mdb
Size:             524288 kB
Rss:               40960 kB
SwapPss:               0 kB
7f0040000000-7f0040001000 r--s 20000000 08:01 4711                       /data/my base.mdb
Rss:                   4 kB
7f0050000000-7f0052000000 rw-s 00000000 00:01 3                          /dev/zero (deleted)
Rss:                1024 kB
SwapPss:               4 kB
7f0060000000-7f0070000000 rw-s 00000000 00:01 5                          /memfd:java_heap (deleted)
Rss:                8192 kB
7f0080000000-7f0080100000 rw-p 00000000 08:01 4712                       /usr/bin/server
Rss:                 200 kB
Anonymous:            64 kB
`

func TestMappings(t *testing.T) {
	m := newMappings()
	require.NoError(t, m.parse(strings.NewReader(smaps), mounts{}))
	require.NoError(t, m.parse(strings.NewReader(strings.ReplaceAll(smaps, "1024 kB", "2048 kB")), mounts{}), "of a child")
	held := m.held()
	assert.Equal(t, int64(2*16<<10), held.Swapped)
	assert.Equal(t, int64(2*8<<10), held.LazyFree)
	assert.Equal(t, int64(2*2048<<10), held.HugePages)
	assert.Equal(t, int64(512<<20+4<<10+32<<20+1<<20), held.MappedSize, "each once, whoever maps it")
	assert.Equal(t, 6, held.Count)
	assert.Equal(t, int64(41100<<10), m.filePages(), "of the process that has most, without private copies")
	assert.Equal(t, []Mapping{
		{Name: "/data/my base.mdb", Size: 512<<20 + 4<<10, Resident: 40964 << 10},
		{Name: "/dev/zero (deleted)", Shared: true, Size: 32 << 20, Resident: 2 << 20},
		{Name: "/usr/bin/server", Size: 1 << 20, Resident: 200 << 10},
	}, held.Mappings)
}

const hugeSmaps = `7f0000000000-7f0000400000 rw-p 00000000 00:10 7                          /anon_hugepage (deleted)
Rss:                   0 kB
Shared_Hugetlb:     2048 kB
Private_Hugetlb:    4096 kB
7f0000400000-7f0000800000 rw-s 00000000 00:10 8                          /dev/hugepages/segment
Rss:                   0 kB
Private_Hugetlb:    8192 kB
`

// A child shares with its parent what neither has written since. Pages of hugetlbfs are in no process's Rss.
func TestHugeTLB(t *testing.T) {
	m := newMappings()
	require.NoError(t, m.parse(strings.NewReader(hugeSmaps), mounts{}))
	assert.Equal(t, int64((2+4+8)<<20), m.held().HugeTLB)
	assert.Equal(t, int64((2+4)<<20), m.anonymousHuge())
	child, _, _ := strings.Cut(hugeSmaps, "7f0000400000-7f0000800000")
	require.NoError(t, m.parse(strings.NewReader(child), mounts{}))
	assert.Equal(t, int64((2+4+4+8)<<20), m.held().HugeTLB)
	assert.Zero(t, m.filePages())
}

func TestMappingsOfAnything(t *testing.T) {
	m := newMappings()
	require.NoError(t, m.parse(strings.NewReader("Rss: x kB\n:\n\nzz-1 r 0 0 1\nRss: 9 kB\n"+strings.Repeat("a", 9000)+"\nRss: 4 kB"), mounts{}))
	assert.Equal(t, &Held{}, m.held())
}

func TestMappedFileIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mapped")
	require.NoError(t, os.WriteFile(path, make([]byte, 8<<20), 0o600))
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	mapped, err := syscall.Mmap(int(file.Fd()), 0, 8<<20, syscall.PROT_READ, syscall.MAP_SHARED)
	require.NoError(t, err)
	defer func() { assert.NoError(t, syscall.Munmap(mapped)) }()
	sum := 0
	for n := 0; n < len(mapped); n += 4096 {
		sum += int(mapped[n])
	}
	require.Zero(t, sum)
	reading, err := OfTree(os.Getpid())(completely(t.Context()))
	require.NoError(t, err)
	require.NotNil(t, reading.Held)
	assert.Contains(t, reading.Held.Mappings, Mapping{Name: path, Size: 8 << 20, Resident: 8 << 20})
	assert.GreaterOrEqual(t, reading.Held.MappedSize, int64(8<<20))
}

func TestAnonymousMemoryOfAProcess(t *testing.T) {
	before, err := AnonymousOf(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, before)
	mapped, err := syscall.Mmap(-1, 0, 32<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	require.NoError(t, err)
	defer func() { assert.NoError(t, syscall.Munmap(mapped)) }()
	for n := 0; n < len(mapped); n += 4096 {
		mapped[n] = 1
	}
	after, err := AnonymousOf(os.Getpid())
	require.NoError(t, err)
	assert.InDelta(t, 32<<20, after-before, 8<<20)
	_, err = AnonymousOf(1 << 30)
	assert.ErrorIs(t, err, ErrGone)
}
