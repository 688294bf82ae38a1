package memory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryFile begins the name of a file that memfd_create has made.
const memoryFile = "/memfd:"

// memorySystems are the types of file systems whose files have no other place than RAM and swap.
var memorySystems = []string{"tmpfs", "devtmpfs", "hugetlbfs"}

// blockBytes is the unit of st_blocks.
const blockBytes = 512

// openFile is a file in memory that a process has open.
type openFile struct {
	bytes int64 // that it takes, swapped out or not
	heap  bool  // of a runtime
}

// mounts are the mounts that a process sees.
type mounts struct {
	points  []mountPoint    // those that cover others last
	devices map[string]bool // of file systems in memory, as smaps writes them
}

// mountPoint is the folder of a mount, without a slash at its end.
type mountPoint struct {
	folder   string
	inMemory bool // its file system
}

// unescaped replaces what mountinfo writes in place of blanks.
var unescaped = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// mountsOf returns none if they cannot be read.
func mountsOf(process shown) mounts {
	all, _ := process.MountInfo()
	seen := mounts{devices: make(map[string]bool)}
	for _, mount := range all {
		inMemory := slices.Contains(memorySystems, mount.FSType)
		seen.points = append(seen.points, mountPoint{strings.TrimSuffix(unescaped.Replace(mount.MountPoint), "/"), inMemory})
		var major, minor uint32
		if _, err := fmt.Sscanf(mount.MajorMinorVer, "%d:%d", &major, &minor); err == nil && inMemory {
			seen.devices[deviceName(major, minor)] = true
		}
	}
	return seen
}

// deviceName is a device as smaps writes it.
func deviceName(major, minor uint32) string { return fmt.Sprintf("%02x:%02x", major, minor) }

// hold reports if a path is below a mount of a file system in memory.
func (m mounts) hold(path string) bool {
	var nearest mountPoint
	for _, point := range m.points {
		rest, below := strings.CutPrefix(path, point.folder)
		if below && strings.HasPrefix(rest, "/") && len(point.folder) >= len(nearest.folder) {
			nearest = point
		}
	}
	return nearest.inMemory
}

// addOpenFiles adds the files in memory that a process has open, but its standard streams. It adds none where they are
// not readable. Only files in memory are looked at: a file system that hangs, such as one of another machine, would hang
// the loader as well.
func (m *mappings) addOpenFiles(process shown, in mounts) {
	folder := filepath.Join(process.folder, "fd")
	names, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, name := range names {
		path := filepath.Join(folder, name.Name())
		target, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(target, memoryFile) && !in.hold(target) {
			continue
		}
		var stat unix.Stat_t
		if unix.Stat(path, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		device := deviceName(unix.Major(stat.Dev), unix.Minor(stat.Dev))
		if !strings.HasPrefix(target, memoryFile) && !in.devices[device] {
			continue // the process sees another folder there than its mounts tell
		}
		id := fmt.Sprintf("%s %d", device, stat.Ino)
		if slices.Contains([]string{"0", "1", "2"}, name.Name()) {
			m.streams[id] = true
		}
		m.open[id] = openFile{bytes: stat.Blocks * blockBytes, heap: strings.Contains(target, heapFile)}
	}
}

// unmapped is what the open files in memory hold beyond the pages of them that are mapped, in bytes; that of the files
// that are the heap of a runtime is apart.
func (m *mappings) unmapped() (others, heaps int64) {
	for id, file := range m.open {
		if m.streams[id] {
			continue
		}
		rest := file.bytes
		if mapping := m.of[id]; mapping != nil {
			rest -= max(0, mapping.shares) + mapping.huge.private + mapping.huge.shared
		}
		if file.heap {
			heaps += max(0, rest)
		} else {
			others += max(0, rest)
		}
	}
	return others, heaps
}
