package live

import (
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// The answers in testdata/jvm are those of OpenJDK 17.0.15 with a heap of 256 MB.

func answer(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/jvm/" + name + ".txt")
	require.NoError(t, err)
	return string(text)
}

func TestParseHeapInfo(t *testing.T) {
	const all = 256 << 20
	whole := []addressRange{{0xf0000000, 0x100000000}}
	for collector, want := range map[string]javaHeap{
		"serial":     {committed: all, metaspace: 320 << 10, ranges: []addressRange{{0xf0000000, 0xf5550000}, {0xf5550000, 0x100000000}}},
		"parallel":   {committed: all, metaspace: 384 << 10, ranges: []addressRange{{0xfab00000, 0x100000000}, {0xf0000000, 0xfab00000}}},
		"g1":         {committed: all, metaspace: 320 << 10, ranges: whole},
		"shenandoah": {committed: all, metaspace: 384 << 10, ranges: whole, concurrent: true},
		"z":          {committed: all, metaspace: 384 << 10, named: true, concurrent: true},
	} {
		heap, err := parseHeapInfo(answer(t, "heap_info_"+collector))
		require.NoError(t, err, collector)
		assert.Equal(t, want, heap, collector)
	}
}

func TestParseHeapInfoOfOtherVersions(t *testing.T) {
	// Java 24: G1CollectedHeap::print_heap_on.
	heap, err := parseHeapInfo(" garbage-first heap   total reserved 262144K, committed 131072K, used 2711K [0x00000000f0000000, 0x0000000100000000)\n")
	require.NoError(t, err)
	assert.Equal(t, javaHeap{committed: 128 << 20, ranges: []addressRange{{0xf0000000, 0x100000000}}}, heap)
	// Java 11: MetaspaceUtils::print_on.
	heap, err = parseHeapInfo(answer(t, "heap_info_serial") + " Metaspace       used 3048K, capacity 4556K, committed 4864K, reserved 1056768K\n")
	require.NoError(t, err)
	assert.Equal(t, int64(320<<10), heap.metaspace, "the first counts")
	heap, err = parseHeapInfo(" ZHeap used 1G, capacity 3G, max capacity 4G\n Metaspace       used 3048K, capacity 4556K, committed 4864K, reserved 1056768K\n")
	require.NoError(t, err)
	assert.Equal(t, javaHeap{committed: 3 << 30, metaspace: 4864 << 10, named: true, concurrent: true}, heap)

	_, err = parseHeapInfo("Epsilon Heap\nAllocation space:\n space 262144K,   0% used [0x00000000f0000000, 0x00000000f01b8090, 0x0000000100000000)\n")
	require.ErrorIs(t, err, errEpsilon)
	for _, odd := range []string{"", "ZHeap used 1X, capacity 3X, max", " PSYoungGen      total 1K, used 1K [0x0000000000000002, 0x0000000000000001, 0x0000000000000003)", "soft max, 99999999999999999999M committed"} {
		_, err = parseHeapInfo(odd)
		require.ErrorContains(t, err, "GC.heap_info has an unknown format", odd)
	}
}

func TestParseCodeCache(t *testing.T) {
	assert.Equal(t, []addressRange{{0x7fa6f0ec7000, 0x7fa6f1137000}, {0x7fa6e9400000, 0x7fa6e9670000}, {0x7fa6f0938000, 0x7fa6f0ba8000}}, parseCodeCache(answer(t, "codecache")))
	assert.Equal(t, []addressRange{{0x7f1329400000, 0x7f1329670000}}, parseCodeCache(answer(t, "codecache_one")), "-XX:-SegmentedCodeCache")
	assert.Empty(t, parseCodeCache("none"))
}

func TestParseMaxHeap(t *testing.T) {
	assert.Equal(t, int64(256<<20), parseMaxHeap(answer(t, "flags")))
	assert.Zero(t, parseMaxHeap("-XX:MinHeapSize=1"))
}

func TestParseDirectBuffers(t *testing.T) {
	assert.Equal(t, memory.Limit{Bytes: 64 << 20, Of: "its direct buffers (-XX:MaxDirectMemorySize)"}, parseMaxDirect("-XX:MarkStackSize=4194304 -XX:MaxDirectMemorySize=67108864 -XX:MaxHeapSize=1"))
	assert.Zero(t, parseMaxDirect(answer(t, "flags")), "it is not set")
	bytes, known := parseDirect("Native Memory Tracking:\n\n-                     Other (reserved=10275KB, committed=10275KB)\n                            (malloc=10275KB #22)\n")
	assert.True(t, known)
	assert.EqualValues(t, 10275<<10, bytes)
	bytes, known = parseDirect("Native Memory Tracking:\n\n-                 Java Heap (reserved=98304KB, committed=98304KB)\n")
	assert.True(t, known)
	assert.Zero(t, bytes)
	_, known = parseDirect("Native memory tracking is not enabled\n")
	assert.False(t, known)
}

func TestParseHistogram(t *testing.T) {
	total, _, err := parseHistogram(strings.NewReader(answer(t, "class_histogram")))
	require.NoError(t, err)
	assert.Equal(t, int64(2082224), total)
	for _, odd := range []string{"", "java.lang.OutOfMemoryError", "Total 1", "Total 1 many", "Total 1 0", "Total 1 2\nmore"} {
		_, _, err := parseHistogram(strings.NewReader(odd))
		require.ErrorContains(t, err, "GC.class_histogram ends with", odd)
	}
	_, _, err = parseHistogram(strings.NewReader(strings.Repeat("x", 1<<20)))
	require.Error(t, err, "a line without end")
}

func TestRunsHotSpot(t *testing.T) {
	assert.True(t, runsHotSpot(process{Mapped: []string{"/usr/bin/java", "/usr/lib/jvm/lib/server/libjvm.so"}}))
	assert.False(t, runsHotSpot(process{Mapped: []string{"/usr/bin/node"}}))
	assert.False(t, runsHotSpot(process{Mapped: []string{"/opt/lib/server/libjvm.so", "/opt/lib/default/libj9vm29.so"}}), "OpenJ9 writes a dump at SIGQUIT")
}

func TestAttachDisabled(t *testing.T) {
	assert.False(t, attachDisabled([]string{"java", "-Xmx1g"}))
	assert.True(t, attachDisabled([]string{"java", "-XX:+DisableAttachMechanism"}))
	assert.False(t, attachDisabled([]string{"-XX:+DisableAttachMechanism", "java", "-XX:-DisableAttachMechanism"}), "the last one counts")
}

func TestParseNative(t *testing.T) {
	compilers, tables := parseNative(`Native Memory Tracking:

Total: reserved=1494281KB, committed=198961KB
-                 Java Heap (reserved=98304KB, committed=98304KB)
                            (mmap: reserved=98304KB, committed=98304KB)

-                        GC (reserved=50123KB, committed=41782KB)
                            (malloc=5162KB #1203)
                            (mmap: reserved=44961KB, committed=36620KB)

-                  Compiler (reserved=187KB, committed=187KB)
                            (malloc=22KB #187)
                            (arena=165KB #5)

-               Arena Chunk (reserved=12263KB, committed=12263KB)
                            (malloc=12263KB)
`)
	assert.Equal(t, int64(12450<<10), compilers)
	assert.Equal(t, int64(41782<<10), tables)
	compilers, tables = parseNative("Native memory tracking is not enabled\n")
	assert.Zero(t, compilers)
	assert.Zero(t, tables)
}

func TestParseFreed(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       int64
	}{
		{"Java 17", "Resident Set Size: 63636K (peak: 63636K)\nC-Heap outstanding allocations: 13988K, retained: 1563K\nx\n", 1563 << 10},
		{"may be wrong by 4 GiB, before glibc 2.33", "C-Heap outstanding allocations: 13988K, retained: 1563K (may have wrapped)\n", -1},
		{"before Java 17", "Memory: 4k page, physical 24683884k\n", -1},
		{"nothing", "", -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			freed, err := parseFreed(strings.NewReader(test.text))
			require.NoError(t, err)
			assert.Equal(t, test.want, freed)
		})
	}
	_, err := parseFreed(iotest.ErrReader(io.ErrUnexpectedEOF))
	assert.Error(t, err)
}
