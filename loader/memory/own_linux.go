package memory

import "bytes"

// readOwn sets what each process holds for itself, of those that run a program that listens, if there are several.
func readOwn(all []Member) {
	several := make(map[string]int) // processes by program
	listens := make(map[string]bool)
	for _, m := range all {
		several[m.Program]++
		listens[m.Program] = listens[m.Program] || m.Listens
	}
	for n, m := range all {
		if several[m.Program] < 2 || !listens[m.Program] {
			continue
		}
		_ = visit(m.PID, func(process shown) error { // one that has ended, or may not be looked at, stays unknown
			text, err := process.read("smaps_rollup")
			all[n].Own = ownOf(text)
			return err
		})
	}
}

// ownOf is what a process holds for itself, in bytes, by its smaps_rollup: anonymous memory, what of it is swapped out, and
// private pages of hugetlbfs, less what was lazily freed. A page that it shares with the process that forked it counts
// whole. So it stays the same when one of the two writes to that page, or when another such process ends. Shared memory is
// left out: it stays when the process ends.
func ownOf(rollup []byte) int64 {
	sum := int64(0)
	for line := range bytes.Lines(rollup) {
		switch name, value, _ := figure(line); name {
		case "Anonymous", "Swap", "Private_Hugetlb":
			sum += value
		case "LazyFree":
			sum -= value
		}
	}
	return sum
}
