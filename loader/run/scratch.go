package run

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// scratchPattern names temporary folders. Other programs of the lab have folders that begin with leaklab- too.
const scratchPattern = "leaklab-live-*"

// scratch is a temporary folder. It is locked for as long as this process lives, whatever ends it, so that a later run
// knows which folders are left over.
type scratch struct {
	path string
	lock *os.File // nil without a lock
}

// newScratch makes a temporary folder, which only this user can enter, in the folder in. First it removes those that ended
// processes have left there.
func newScratch(in string) (*scratch, error) {
	removeLeftOver(in)
	const tries = 10
	for n := 1; ; n++ {
		path, err := os.MkdirTemp(in, scratchPattern)
		if err != nil {
			return nil, err
		}
		lock, err := lockFolder(path)
		if n < tries && (errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist)) {
			continue // another run has taken it for left over
		}
		return &scratch{path: path, lock: lock}, nil // some file systems have no locks, and then it is never taken for that
	}
}

// remove removes the folder.
func (s *scratch) remove() error {
	err := os.RemoveAll(s.path)
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// removeLeftOver removes the temporary folders of this user that no process has locked. A link is not followed. What cannot
// be removed stays.
func removeLeftOver(in string) {
	found, err := filepath.Glob(filepath.Join(in, scratchPattern))
	if err != nil {
		return
	}
	for _, path := range found {
		if lock, err := lockFolder(path); err == nil {
			_ = (&scratch{path: path, lock: lock}).remove()
		}
	}
}

// lockFolder opens a folder and locks it (flock). It fails if the folder is locked already, is a link, has another owner
// than this process, or has been removed meanwhile.
func lockFolder(path string) (*os.File, error) {
	folder, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	opened, err := folder.Stat()
	if err == nil {
		err = checkOwner(opened)
	}
	if err == nil {
		err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == nil {
		var named os.FileInfo
		if named, err = os.Lstat(path); err == nil && !os.SameFile(opened, named) {
			err = os.ErrNotExist
		}
	}
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return folder, nil
}

// checkOwner fails if this process runs as another user than the owner.
func checkOwner(info os.FileInfo) error {
	if status, ok := info.Sys().(*syscall.Stat_t); !ok || int(status.Uid) != os.Geteuid() {
		return os.ErrPermission
	}
	return nil
}
