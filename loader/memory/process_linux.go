package memory

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/procfs"
)

// shown is a process as the folder of one of its threads shows it. That of the main thread is /proc/PID. When the main
// thread has ended and others go on (pthread_exit), /proc/PID tells neither memory nor files. They are in the folder of
// each thread that lives: /proc/PID/task/TID.
type shown struct {
	procfs.Proc
	folder string
	status procfs.ProcStatus
	// thread is true for the folder of another thread than the main one, which may end at any moment.
	thread bool
}

// show finds a folder that tells the memory of a process; that of the main thread if none does, as for a zombie.
func show(pid int) (shown, error) {
	fs, err := procfs.NewFS(procfs.DefaultMountPoint)
	if err != nil {
		return shown{}, err
	}
	process, err := fs.Proc(pid)
	if err != nil {
		return shown{}, err
	}
	main := shown{Proc: process, folder: filepath.Join(procfs.DefaultMountPoint, strconv.Itoa(pid))}
	if main.status, err = process.NewStatus(); err != nil || main.hasMemory() {
		return main, err
	}
	threads, err := fs.AllThreads(pid)
	if err != nil {
		return shown{}, err
	}
	for _, thread := range threads {
		other := shown{Proc: thread, folder: fmt.Sprintf("%s/task/%d", main.folder, thread.PID), thread: true}
		if other.status, err = thread.NewStatus(); err == nil && other.hasMemory() {
			return other, nil
		}
	}
	return main, nil
}

// hasMemory is false for what has ended, and so for a zombie. VmRSS tells it less surely: it lags.
func (s shown) hasMemory() bool { return s.status.VmSize > 0 }

// showTries is how often a process is looked at whose threads end while they are read.
const showTries = 3

// visit calls read with a process. If the thread ends meanwhile in whose folder it is shown, it does so again with
// another thread. It returns the error of show or of read.
func visit(pid int, read func(shown) error) error {
	for try := 1; ; try++ {
		process, err := show(pid)
		if err != nil {
			return err
		}
		if err = read(process); !isGone(err) || !process.thread || try == showTries {
			return err
		}
	}
}

// read reads a file of the process.
func (s shown) read(name string) ([]byte, error) { return os.ReadFile(filepath.Join(s.folder, name)) }
