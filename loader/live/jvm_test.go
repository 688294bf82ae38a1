package live

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/jfr"
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
		"g1":         {committed: all, metaspace: 320 << 10, ranges: whole, regions: true},
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
	assert.Equal(t, javaHeap{committed: 128 << 20, ranges: []addressRange{{0xf0000000, 0x100000000}}, regions: true}, heap)
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
	total, sites, err := parseHistogram(strings.NewReader(answer(t, "class_histogram")))
	require.NoError(t, err)
	assert.Equal(t, int64(2082224), total)
	assert.Equal(t, []memory.Site{
		{Class: "byte[]", Bytes: 1348488, Objects: 8199},
		{Class: "java.lang.Class", Bytes: 175664, Objects: 1425},
		{Class: "sun.net.www.protocol.jar.Handler", Bytes: 16, Objects: 1},
	}, sites)
	for _, odd := range []string{"", "java.lang.OutOfMemoryError", "Total 1", "Total 1 many", "Total 1 0", "Total 1 2\nmore"} {
		_, _, err := parseHistogram(strings.NewReader(odd))
		require.ErrorContains(t, err, "GC.class_histogram ends with", odd)
	}
	_, _, err = parseHistogram(strings.NewReader(strings.Repeat("x", 1<<20)))
	require.Error(t, err, "a line without end")
}

func TestClassesOfOneNameAreOneSite(t *testing.T) {
	_, sites, err := parseHistogram(strings.NewReader(`
   1:   3   120  app.Big (app@1.0)
   2:   2   100  app.Twin
   3:   1    90  [Lapp.Big;
   4:   1    40  app.Twin (other)
   5:   1    24  app.Main$$Lambda$7/0x0000000800c8a400
   6:   1    16  app.Main$$Lambda$9/0x0000000800c8b000
   7:  -1    16  app.Negative
   8:   1    9999999999999999999  app.Huge
   9:   1    8  a` + "\x1b" + `b
Total 9 414
`))
	require.NoError(t, err)
	assert.Equal(t, []memory.Site{
		{Class: "app.Twin", Bytes: 140, Objects: 3},
		{Class: "app.Big", Bytes: 120, Objects: 3},
		{Class: "app.Big[]", Bytes: 90, Objects: 1},
		{Class: "app.Main$$Lambda", Bytes: 40, Objects: 2},
		{Class: `a\x1bb`, Bytes: 8, Objects: 1},
	}, sites)
}

func TestTheLargestClassesAreKept(t *testing.T) {
	var text strings.Builder
	for i := range 2 * mostSites {
		fmt.Fprintf(&text, "%d: 1 16 app.C%d\n", i+1, i)
	}
	_, sites, err := parseHistogram(strings.NewReader(text.String() + "9000: 1 16 app.C0\nTotal 1 16\n"))
	require.NoError(t, err)
	require.Len(t, sites, mostSites)
	assert.Equal(t, memory.Site{Class: "app.C0", Bytes: 32, Objects: 2}, sites[0])
	assert.Equal(t, "app.C4095", sites[mostSites-1].Class)
}

func TestSampledSites(t *testing.T) {
	main := []jfr.Frame{{Class: "java.util.HashMap", Method: "newNode", Line: 1901}, {Class: "app.Main$$Lambda", Method: "run"}, {Class: "app.Main", Method: "put", Line: 7}, {Class: "java.lang.Thread", Method: "run", Line: 840}}
	static := []jfr.Link{
		{Class: "java.util.HashMap$Node", Field: "next"},
		{Class: "java.util.HashMap$Node", Field: "next"},
		{Class: "java.util.HashMap$Node[]"},
		{Class: "java.util.HashMap", Field: "table", Description: "Size: 3"},
		{Class: "java.lang.Class", Description: "Class Name: app.Main", Field: "CACHE", Static: true},
		{Class: "java.lang.Class", Description: "Class Name: sun.launcher.LauncherHelper", Field: "appClass", Static: true},
	}
	inThread := func(name string) []jfr.Link {
		return []jfr.Link{{Class: "java.lang.Thread", Field: "threadLocals", Description: "Thread Name: " + name}}
	}
	node := func(chain []jfr.Link) jfr.Sample {
		return jfr.Sample{Class: "java.util.HashMap$Node", Stack: main, Chain: chain}
	}
	onStack := jfr.Sample{Class: "int[]", Stack: []jfr.Frame{{Class: "sun.nio.ch.Util", Method: "get", Line: 1}}, Root: jfr.Root{System: "Threads", Description: "Thread Name: main"}}
	assert.Equal(t, []memory.Site{
		{
			Class: "java.util.HashMap$Node", Function: "app.Main.put", Line: 7, Callers: []string{"java.lang.Thread.run:840"},
			Holders: []string{"java.util.HashMap$Node.next", "java.util.HashMap$Node[]", "java.util.HashMap.table", "static field app.Main.CACHE"},
		},
		{Class: "int[]", Function: "sun.nio.ch.Util.get", Line: 1, Callers: nil, Holders: []string{"thread main"}},
	}, sampledSites([]jfr.Sample{node(inThread("a")), onStack, onStack, node(static), node(static), node(static), onStack}), "the chain of most samples counts")
	assert.Len(t, sampledSites([]jfr.Sample{node(static), onStack, onStack}), 1, "few samples of the JDK's own objects")

	sites := sampledSites([]jfr.Sample{node(inThread("b")), node(static), node(inThread("a"))})
	assert.Equal(t, []string{"java.lang.Thread.threadLocals", "2 threads, such as a"}, sites[0].Holders, "the threads of a pool are one chain")
	byCompiler := jfr.Sample{Class: "java.util.HashMap$Node", Stack: main, Chain: static[:4], Root: jfr.Root{System: "Threads", Description: "Thread Name: C2 CompilerThread0"}}
	assert.True(t, hiddenByCompiler([]jfr.Sample{byCompiler, onStack}))
	assert.False(t, hiddenByCompiler([]jfr.Sample{byCompiler, onStack, node(static)}))
	sites = sampledSites([]jfr.Sample{byCompiler, byCompiler, node(static)})
	assert.Equal(t, "static field app.Main.CACHE", sites[0].Holders[3], "compilers keep nothing for long")
	sites = sampledSites([]jfr.Sample{{Class: "int[]"}})
	assert.Equal(t, []memory.Site{{Class: "int[]"}}, sites, "nothing is known of it")
}

// Of a direct buffer, its Cleaner and what the Cleaner runs, few are sampled, and the buffer may not be among them.
func TestTheMakerOfASampledObjectIsASite(t *testing.T) {
	stack := []jfr.Frame{
		{Class: "jdk.internal.ref.Cleaner", Method: "create", Line: 131}, {Class: "java.nio.DirectByteBuffer", Method: "<init>", Line: 127},
		{Class: "java.nio.ByteBuffer", Method: "allocateDirect", Line: 332}, {Class: "app.Main", Method: "put", Line: 9},
	}
	kept := []jfr.Link{{Class: "java.lang.Object[]"}, {Class: "java.lang.Class", Description: "Class Name: app.Main", Field: "KEPT", Static: true}}
	cleaner := jfr.Sample{Class: "jdk.internal.ref.Cleaner", Stack: stack, Chain: append([]jfr.Link{{Class: "java.nio.DirectByteBuffer", Field: "cleaner"}}, kept...)}
	buffer := memory.Site{Class: "java.nio.DirectByteBuffer", Function: "app.Main.put", Line: 9, Holders: []string{"java.lang.Object[]", "static field app.Main.KEPT"}}
	sites := sampledSites(withMakers([]jfr.Sample{cleaner}))
	require.Len(t, sites, 2)
	assert.Equal(t, buffer, sites[0])
	assert.Equal(t, "java.nio.DirectByteBuffer.cleaner", sites[1].Holders[0])

	itself := jfr.Sample{Class: "java.nio.DirectByteBuffer", Stack: stack[2:], Chain: kept}
	assert.Len(t, withMakers([]jfr.Sample{cleaner, itself}), 2, "it is sampled itself")
	elsewhere := cleaner
	elsewhere.Chain = kept
	assert.Len(t, withMakers([]jfr.Sample{elsewhere}), 1, "what was made beside it does not hold it")
	copied := cleaner
	copied.Stack = append(stack[:1:1], stack[2:]...)
	assert.Len(t, withMakers([]jfr.Sample{copied}), 1, "another one made it")
}

func TestALongChainKeepsItsEnd(t *testing.T) {
	var chain []jfr.Link
	for i := range 100 {
		chain = append(chain, jfr.Link{Class: fmt.Sprint("app.C", i), Field: "next"})
	}
	chain = append(chain, jfr.Link{Class: "java.lang.Class", Description: "Class Name: app.Main", Field: "FIRST", Static: true})
	holders := sampledSites([]jfr.Sample{{Class: "int[]", Chain: chain}})[0].Holders
	require.Len(t, holders, mostHolders)
	assert.Equal(t, "app.C0.next", holders[0])
	assert.Equal(t, "static field app.Main.FIRST", holders[mostHolders-1])
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
