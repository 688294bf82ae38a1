package live

import (
	"regexp"
	"strconv"
	"strings"

	"leaklab/loader/memory"
)

var (
	maxDirectFlag = regexp.MustCompile(`-XX:MaxDirectMemorySize=(\d{1,18})\b`)
	// otherMemory is the line of the answer to nativeMemory on what Unsafe.allocateMemory has taken, as direct buffers do.
	// "-                     Other (reserved=10275KB, committed=10275KB)". There is none for 0 bytes, nor in Java 8 and 9.
	otherMemory = regexp.MustCompile(`(?m)^-\s+Other \(reserved=\d+KB, committed=(\d{1,12})KB\)`)
)

// parseMaxDirect returns the limit of direct buffers, by the answer of VM.flags; zero if none is set.
func parseMaxDirect(text string) memory.Limit {
	match := maxDirectFlag.FindStringSubmatch(text)
	if match == nil {
		return memory.Limit{}
	}
	bytes, _ := strconv.ParseInt(match[1], 10, 64)
	return memory.Limit{Bytes: bytes, Of: "its direct buffers (-XX:MaxDirectMemorySize)"}
}

// parseDirect is what direct buffers take, in bytes; false if the JVM does not track its native memory.
func parseDirect(text string) (int64, bool) {
	if match := otherMemory.FindStringSubmatch(text); match != nil {
		kibibytes, _ := strconv.ParseInt(match[1], 10, 64)
		return kibibytes << 10, true
	}
	return 0, strings.Contains(text, "Java Heap (reserved=")
}
