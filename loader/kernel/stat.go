// Package kernel reads what Linux tells of a process in /proc, for all rooms that need it: when it started, what it has
// open, and where it listens. It knows nothing of servers.
package kernel

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/prometheus/procfs"
)

// Fields of Stat, as proc_pid_stat(5) counts them.
const (
	Parent             = 4
	UserTime           = 14 // in ticks, as are the next three
	SystemTime         = 15
	ChildrenUserTime   = 16
	ChildrenSystemTime = 17
	Start              = 22 // in ticks since the boot
	StackStart         = 28 // 0 if it may not be looked at, as are the next two
	HeapStart          = 47
	ArgumentStart      = 48
)

// Stat is /proc/PID/stat at one moment.
type Stat struct {
	Name   string // of the program, at most 15 bytes
	fields [][]byte
}

// ReadStat reads the stat of a process. It fails if the process has ended and was waited for.
func ReadStat(pid int) (Stat, error) {
	path := Path(pid, "stat")
	text, err := os.ReadFile(path)
	if err != nil {
		return Stat{}, err
	}
	return parseStat(path, text)
}

// parseStat reads "PID (name) state parent ...". The name may hold blanks and parentheses.
func parseStat(path string, text []byte) (Stat, error) {
	opening, closing := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if opening < 0 || closing < opening {
		return Stat{}, fmt.Errorf("%s: no name in %q", path, text)
	}
	return Stat{string(text[opening+1 : closing]), bytes.Fields(text[closing+1:])}, nil
}

// Field is a field that is not negative, by its number; 0 if the kernel does not tell it.
func (s Stat) Field(number int) uint64 {
	if number < 3 || number-3 >= len(s.fields) {
		return 0
	}
	value, _ := strconv.ParseUint(string(s.fields[number-3]), 10, 64)
	return value
}

// StartOf is when a process started, in clock ticks since the boot of the machine. With the PID it tells a process from a
// later one. It fails if the process has ended and was waited for.
func StartOf(pid int) (uint64, error) {
	stat, err := ReadStat(pid)
	return stat.Field(Start), err
}

// Runs tells whether the first thread of a process runs. It is false of a zombie, and of a process whose first thread alone
// has ended.
func Runs(pid int) bool {
	stat, err := ReadStat(pid)
	return err == nil && len(stat.fields) > 0 && !slices.Contains([]string{"Z", "X"}, string(stat.fields[0]))
}

// Path is that of a file of a process.
func Path(pid int, names ...string) string {
	return filepath.Join(append([]string{procfs.DefaultMountPoint, strconv.Itoa(pid)}, names...)...)
}
