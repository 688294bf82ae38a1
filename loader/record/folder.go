package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// CreateFolder makes the folder of a run that starts at the given time, results/<UTC time>, with -label appended if
// there is one, and returns its path. Folders are writable for everybody, as /tmp is: the loader in a container has
// another user than the person who reads or deletes what it has written.
func CreateFolder(results string, start time.Time, label string) (string, error) {
	if err := makeShared(results); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	name := filepath.Join(results, start.UTC().Format("20060102T150405Z"))
	if label != "" {
		name += "-" + label
	}
	for n := 1; ; n++ {
		folder := name
		if n > 1 {
			folder = fmt.Sprintf("%s-%d", name, n)
		}
		err := makeShared(folder)
		if err == nil {
			return folder, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
}

func makeShared(folder string) error {
	if err := os.Mkdir(folder, 0o777); err != nil {
		return err
	}
	return os.Chmod(folder, 0o777) // whatever the umask
}

// Replace writes a file under another name and then renames it, so that it is always complete: as it was, or as it is
// now. Everybody may read it. An error names the file.
func Replace(folder, name string, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write %s: %w", filepath.Join(folder, name), err)
		}
	}()
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, "."+name+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content.Bytes())
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(folder, name))
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}
