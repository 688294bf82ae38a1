package live

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The answers in testdata are recorded from idle servers; 3.8 has arenas of 256 KiB, and newer ones of 1 MiB.
func TestPythonAnswers(t *testing.T) {
	for _, test := range []struct {
		version, rounds string
		want            pythonHeap
	}{
		{"3.8", "1", pythonHeap{blocks: 1695184, arenas: 7 << 18, arena: 1 << 18, unused: 24576, chunks: 887552, system: 1097728, mapped: 151552}},
		{"3.13", "2", pythonHeap{blocks: 1885808, arenas: 3 << 20, arena: 1 << 20, unused: 933888, chunks: 1464992, system: 1728512, mapped: 401408}},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "python-"+test.version+".txt"))
		require.NoError(t, err)
		reply, err := readPython(bytes.NewReader(text))
		require.NoError(t, err)
		assert.Equal(t, test.rounds, reply.head["rounds"])
		heap, err := reply.heap()
		require.NoError(t, err)
		blocks := int64(0)
		for size, count := range heap.used {
			blocks += size * count
		}
		assert.Len(t, heap.used, 32)
		assert.Equal(t, test.want.blocks, blocks)
		heap.used = nil
		assert.Equal(t, test.want, heap, test.version)
	}
}

// pythonText is an answer with these statistics.
func pythonText(python, malloc string) string {
	return fmt.Sprintf("rounds=1 stopped=5 python=%d malloc=%d\n%s%s", len(python), len(malloc), python, malloc)
}

const (
	someOfPymalloc = `class   size   num pools   blocks in use  avail blocks
    1     32           2             957            63

3 arenas * 1048576 bytes/arena =  3,145,728

# bytes in allocated blocks        =            2,000,000
22 unused pools * 16384 bytes      =              360,448
`
	someOfMalloc = `<malloc version="1"><heap nr="0"><total type="rest" count="9" size="9"/></heap><heap nr="1"></heap>
<total type="fast" count="2" size="64"/><total type="rest" count="30" size="211228"/><total type="mmap" count="2" size="401408"/>
<system type="current" size="970752"/><system type="max" size="999999999"/></malloc>`
)

func TestPythonAnswerOfBothAllocators(t *testing.T) {
	reply, err := readPython(strings.NewReader(pythonText(someOfPymalloc, someOfMalloc)))
	require.NoError(t, err)
	heap, err := reply.heap()
	require.NoError(t, err)
	assert.Equal(t, pythonHeap{
		blocks: 2_000_000, arenas: 3 << 20, arena: 1 << 20, unused: 22 << 14, used: map[int64]int64{32: 957},
		chunks: 970752 - 64 - (211228 - 28) + 401408, system: 970752, mapped: 401408,
	}, heap)
	assert.Equal(t, int64(3<<20+970752+401408), heap.committed())

	reply, err = readPython(strings.NewReader(pythonText("", someOfMalloc)))
	require.NoError(t, err)
	heap, err = reply.heap()
	require.NoError(t, err)
	assert.Zero(t, heap.blocks+heap.arenas, "pymalloc is left out")
}

func TestPythonAnswersAnything(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "an answer without a line: EOF",
		strings.Repeat("a", 9000):       "an answer without a line: bufio: buffer full",
		"\n":                            `its hook answers python=""`,
		"python=1 malloc=2\n1":          "an answer that ends too early: ",
		"python=-1 malloc=2\n":          `its hook answers python="-1"`,
		"python=99999999 malloc=0\n":    "an answer of 99999999 bytes; the most that is read is 16777216",
		pythonText("", ""):              "statistics of malloc: EOF",
		pythonText("nonsense", ""):      "its allocator is not pymalloc, and has statistics that are unknown",
		pythonText("", "<malloc/>"):     "statistics of malloc without its sums",
		pythonText("", "<html></html>"): "statistics of malloc: expected element type <malloc> but have <html>",
		pythonText("", strings.Replace(someOfMalloc, "211228", "970752", 1)):                         "statistics of malloc without its sums",
		pythonText("", strings.Replace(someOfMalloc, "401408", "-1", 1)):                             `statistics of malloc: strconv.ParseUint: parsing "-1": invalid syntax`,
		pythonText(strings.Replace(someOfPymalloc, "2,000,000", "9,999,999,999,999,999,999", 1), ""): `statistics of pymalloc: strconv.ParseUint: parsing "9999999999999999999": value out of range`,
	} {
		reply, err := readPython(strings.NewReader(text))
		if err == nil {
			_, err = reply.heap()
		}
		assert.ErrorContains(t, err, want)
	}
	reply, err := readPython(strings.NewReader("error=\x1b[31m it \"is\" off\n"))
	require.NoError(t, err)
	assert.Equal(t, `\x1b[31m it \"is\" off`, reply.head["error"])
}

const pythonSmaps = `00400000-00a00000 rw-p 00500000 08:01 4711                               /usr/bin/python3.11
Rss:                 400 kB
55d0c0000000-55d0c0100000 rw-p 00000000 00:00 0                          [heap]
Size:               1024 kB
Rss:                 900 kB
Pss:                 450 kB
Swap:                 40 kB
SwapPss:              20 kB
7f0000000000-7f0000021000 rw-p 00000000 00:00 0 
Rss:                 100 kB
Pss:                 100 kB
7f0000021000-7f0004000000 ---p 00000000 00:00 0 
Rss:                   0 kB
7f1000000000-7f1000300000 rw-p 00000000 00:00 0 
Rss:                2800 kB
Pss:                2800 kB
7f1000fff000-7f1001000000 ---p 00000000 00:00 0 
7f1001000000-7f1001800000 rw-p 00000000 00:00 0 
Rss:                  80 kB
Pss:                  80 kB
7f2000000000-7f2000002000 rw-s 00000000 00:01 3                          /dev/zero (deleted)
Rss:                   8 kB
7fff00000000-7fff00021000 rw-p 00000000 00:00 0                          [stack]
Rss:                  60 kB
`

func TestPythonHeapInRAM(t *testing.T) {
	read, err := readAnonymous(strings.NewReader(pythonSmaps))
	require.NoError(t, err)
	assert.Equal(t, anonymous{
		malloc: span{size: 1<<20 + 0x21000, present: (940 + 100) << 10, shares: (470 + 100) << 10},
		other:  span{size: 3 << 20, present: 2800 << 10, shares: 2800 << 10},
	}, read)

	heap := pythonHeap{arenas: 2 << 20, arena: 1 << 20, unused: 512 << 10, system: 1<<20 + 0x21000, mapped: 128 << 10}
	assert.Equal(t, int64((570+2048-272+128)<<10), heap.resident(read), "272 KiB of the newest arena were never used")
	heap.unused = 16 << 10
	assert.Equal(t, int64((570+2048-16+128)<<10), heap.resident(read))
	read.other.shares /= 2
	assert.Equal(t, int64((570+(2048-16+128)/2)<<10), heap.resident(read), "a parent shares half of it")
	heap.system += 64 << 10
	assert.Equal(t, int64((570+64+(2048-16+128)/2)<<10), heap.resident(read), "a heap that was not found is all there")
	assert.Equal(t, heap.committed()-16<<10, heap.resident(anonymous{other: span{size: 1 << 20}}))

	for _, text := range []string{"Rss: -1 kB\n", "Rss: 99999999999999999 kB\n", strings.Repeat("a", 2<<20)} {
		_, err := readAnonymous(strings.NewReader(text))
		assert.Error(t, err)
	}
	read, err = readAnonymous(strings.NewReader("Rss: 4 kB\nzz-1 rw-p 0 0 0\n9-1 rw-p 0 0 0\n:\n\n"))
	require.NoError(t, err)
	assert.Zero(t, read, "without a mapping there is nothing to add to")
}
