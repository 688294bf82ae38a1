package live

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The commands of HotSpot's jcmd, whose answers are parsed here.
const (
	classHistogram = "GC.class_histogram" // forces a full collection
	heapInfo       = "GC.heap_info"
	codeCache      = "Compiler.codecache"
	gcRun          = "GC.run" // System.gc
	vmFlags        = "VM.flags"
	trimNativeHeap = "System.trim_native_heap" // malloc_trim
	nativeMemory   = "VM.native_memory summary"
	vmInfo         = "VM.info"
)

// jvmAnswerLimit bounds an answer of the JVM that is kept, and a line of one that is not, in bytes.
const jvmAnswerLimit = 1 << 20

// explicitDisabled is the option with which GC.run does nothing.
const explicitDisabled = "-XX:+DisableExplicitGC"

// runsHotSpot tells whether the process maps HotSpot's library. OpenJ9 has one of that name beside its own.
func runsHotSpot(p process) bool {
	return p.maps("libjvm.so") && !slices.ContainsFunc(p.Mapped, func(file string) bool { return strings.HasPrefix(path.Base(file), "libj9vm") })
}

// addressRange is a range of addresses: low is in it, high is not.
type addressRange struct{ low, high uint64 }

// javaHeap is what a JVM tells of its heap.
type javaHeap struct {
	committed  int64          // bytes of the heap
	metaspace  int64          // bytes committed for metadata of classes
	ranges     []addressRange // where the committed heap lies; empty if it is found by the name of its file
	named      bool           // ZGC: the heap is a file of memory named java_heap
	concurrent bool           // ZGC and Shenandoah: a class histogram does not collect
	regions    bool           // G1
}

var (
	// generationLine is a line of Serial and Parallel: "PSYoungGen total 76288K, used 6554K [0xfab00000, 0xfeb00000, 0x100000000)",
	// with the low address, the end of what is committed, and the end of what is reserved.
	generationLine = regexp.MustCompile(`total \d+K, used \d+K \[0x([0-9a-f]+), 0x([0-9a-f]+), 0x[0-9a-f]+\)`)
	// garbageFirstLine is the line of G1. Since Java 24 it tells "total reserved 262144K, committed 262144K".
	garbageFirstLine = regexp.MustCompile(`garbage-first heap\s+total (?:reserved \d+K, committed )?(\d+K), used \d+K \[0x([0-9a-f]+), 0x([0-9a-f]+)\)`)
	zHeapLine        = regexp.MustCompile(`ZHeap\s+used \d+[BKMGT], capacity (\d+[BKMGT])`)
	shenandoahLine   = regexp.MustCompile(`soft max, (\d+[BKMGT]) committed`)
	reservedRegion   = regexp.MustCompile(`Reserved region:\s+- \[0x([0-9a-f]+), 0x([0-9a-f]+)\)`)
	metaspaceLine    = regexp.MustCompile(`(?m)^\s*Metaspace\s+used .*\bcommitted (\d+K)`)
	codeHeapBounds   = regexp.MustCompile(`bounds \[0x([0-9a-f]+), 0x([0-9a-f]+), 0x[0-9a-f]+\]`)
	maxHeapFlag      = regexp.MustCompile(`-XX:MaxHeapSize=(\d+)`)
)

var errEpsilon = errors.New("its Epsilon collector never collects")

// parseHeapInfo reads the answer of GC.heap_info, of Serial, Parallel, G1, ZGC and Shenandoah.
func parseHeapInfo(text string) (javaHeap, error) {
	var heap javaHeap
	if match := metaspaceLine.FindStringSubmatch(text); match != nil {
		heap.metaspace = javaSize(match[1])
	}
	if strings.Contains(text, "Epsilon Heap") {
		return heap, errEpsilon
	}
	if match := garbageFirstLine.FindStringSubmatch(text); match != nil {
		heap.committed, heap.ranges, heap.regions = javaSize(match[1]), []addressRange{rangeOf(match[2], match[3])}, true
	} else if match := zHeapLine.FindStringSubmatch(text); match != nil {
		heap.committed, heap.named, heap.concurrent = javaSize(match[1]), true, true
	} else if match := shenandoahLine.FindStringSubmatch(text); match != nil {
		heap.committed, heap.concurrent = javaSize(match[1]), true
		if region := reservedRegion.FindStringSubmatch(text); region != nil {
			heap.ranges = []addressRange{rangeOf(region[1], region[2])}
		}
	} else {
		for _, match := range generationLine.FindAllStringSubmatch(text, -1) {
			committed := rangeOf(match[1], match[2])
			heap.committed += int64(committed.high - committed.low)
			heap.ranges = append(heap.ranges, committed)
		}
	}
	if heap.committed <= 0 {
		return heap, fmt.Errorf("%s has an unknown format: %.200q", heapInfo, text)
	}
	return heap, nil
}

// parseCodeCache returns where the committed code cache lies, by the answer of Compiler.codecache.
func parseCodeCache(text string) []addressRange {
	var ranges []addressRange
	for _, match := range codeHeapBounds.FindAllStringSubmatch(text, -1) {
		ranges = append(ranges, rangeOf(match[1], match[2]))
	}
	return ranges
}

// parseMaxHeap returns the limit of the heap in bytes, by the answer of VM.flags; 0 if it is unknown.
func parseMaxHeap(text string) int64 {
	if match := maxHeapFlag.FindStringSubmatch(text); match != nil {
		limit, _ := strconv.ParseInt(match[1], 10, 64)
		return limit
	}
	return 0
}

// heapOfC is the line of VM.info with what mallinfo tells of all arenas of glibc's malloc, since Java 17: "C-Heap outstanding
// allocations: 13988K, retained: 1563K". The figures may be wrong by 4 GiB if the line goes on with "(may have wrapped)".
var heapOfC = regexp.MustCompile(`^C-Heap outstanding allocations: \d+K, retained: (\d{1,12})K$`)

// parseFreed reads the answer to VM.info to its end, and returns what malloc keeps of freed memory in its arenas, in bytes,
// whether it is in RAM or not; -1 if the JVM does not tell. The answer holds secrets: the rest of it is not kept.
func parseFreed(answer io.Reader) (int64, error) {
	lines, freed := bufio.NewScanner(answer), int64(-1)
	lines.Buffer(nil, jvmAnswerLimit)
	for lines.Scan() {
		if match := heapOfC.FindSubmatch(lines.Bytes()); match != nil {
			kibibytes, _ := strconv.ParseInt(string(match[1]), 10, 64)
			freed = kibibytes << 10
		}
	}
	return freed, lines.Err()
}

// javaSize reads a size such as 256M, in bytes; 0 if it is none.
func javaSize(text string) int64 {
	number, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
	unit := strings.IndexByte("BKMGT", text[len(text)-1])
	if err != nil || unit < 0 {
		return 0
	}
	return number << (10 * unit)
}

// rangeOf is from one address to another, in hexadecimal. It is empty if they are in the wrong order.
func rangeOf(low, high string) addressRange {
	from, _ := strconv.ParseUint(low, 16, 64)
	to, _ := strconv.ParseUint(high, 16, 64)
	return addressRange{low: from, high: max(from, to)}
}

// attachDisabled tells if words of a JVM's options, in the order in which it reads them, turn the attach protocol off.
func attachDisabled(words []string) bool {
	disabled := false
	for _, word := range words {
		switch word {
		case "-XX:+DisableAttachMechanism":
			disabled = true
		case "-XX:-DisableAttachMechanism":
			disabled = false
		}
	}
	return disabled
}

// The variable of the environment that holds options of a JVM, and those that it gets.
const (
	jvmOptions  = "JAVA_TOOL_OPTIONS"
	trackNative = "-XX:NativeMemoryTracking=summary"
	buffersKept = "-XX:-ResizeTLAB" // the JVM does not size the buffers of threads (TLAB)
)

// nativeLine is a line of the answer to nativeMemory: "-               Arena Chunk (reserved=12263KB, committed=12263KB)".
var nativeLine = regexp.MustCompile(`(?m)^-\s+(Arena Chunk|Compiler|GC) \(reserved=\d+KB, committed=(\d{1,12})KB\)`)

// parseNative is the memory of compilers, and that of the collector's tables, in bytes; 0 if the JVM does not track its
// native memory. Compilers' includes what they have freed, which HotSpot keeps for up to 5 s, in many megabytes. The tables
// follow the size of the committed heap, and are not all in RAM.
func parseNative(text string) (compilers, tables int64) {
	for _, match := range nativeLine.FindAllStringSubmatch(text, -1) {
		kibibytes, _ := strconv.ParseInt(match[2], 10, 64)
		if match[1] == "GC" {
			tables += kibibytes << 10
		} else {
			compilers += kibibytes << 10
		}
	}
	return compilers, tables
}
