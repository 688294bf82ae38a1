package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// CreateFolder makes the folder of a run that starts at the given time, results/<UTC time>, with -label appended if
// there is one, and returns its path. It makes the folders above too. Others may read them, as far as the umask permits,
// and write nothing there.
func CreateFolder(results string, start time.Time, label string) (string, error) {
	if err := os.MkdirAll(results, 0o755); err != nil {
		return "", err
	}
	protect(results)
	name := filepath.Join(results, start.UTC().Format("20060102T150405Z"))
	if label != "" {
		name += "-" + label
	}
	for n := 1; ; n++ {
		folder := name
		if n > 1 {
			folder = fmt.Sprintf("%s-%d", name, n)
		}
		err := os.Mkdir(folder, 0o755)
		if err == nil {
			return folder, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
}

// protect keeps others from putting something else in the place of a run's folder: where everybody may write, it sets
// the sticky bit, as /tmp has it. It does nothing where the user may not, as in a container.
func protect(results string) {
	info, err := os.Stat(results)
	if err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		_ = os.Chmod(results, info.Mode()|fs.ModeSticky)
	}
}

// CreateFile creates a file in the folder of a run for writing, with more flags as in os.OpenFile. Everybody may read it.
// It fails if there is something of that name, and follows no link. The error names the file.
func CreateFile(folder, name string, flags int) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW|flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("the folder of this run was changed by another program: %w", err)
	}
	return file, err
}

// Replace writes a file under another name and then renames it, so that it is always complete: as it was, or as it is
// now. Everybody may read it. An error names the file.
func Replace(folder, name string, write func(io.Writer) error) error {
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return unwritten(folder, name, err)
	}
	return ReplaceLarge(folder, name, 0o644, func(out io.Writer) error {
		_, err := out.Write(content.Bytes())
		return err
	})
}

// ReplaceLarge is Replace of a file that may be too large for memory, and that those may read whom mode permits.
func ReplaceLarge(folder, name string, mode fs.FileMode, write func(io.Writer) error) error {
	file, err := os.CreateTemp(folder, "."+name+".*")
	if err != nil {
		return unwritten(folder, name, err)
	}
	err = write(file)
	err = errors.Join(err, file.Chmod(mode), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(folder, name))
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return unwritten(folder, name, err)
	}
	return nil
}

func unwritten(folder, name string, err error) error {
	return fmt.Errorf("cannot write %s: %w", filepath.Join(folder, name), err)
}
