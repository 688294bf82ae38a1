package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// unwrittenError says that a run ended since the folder for what it measures cannot be written any more.
type unwrittenError struct {
	what string
	error
}

func (e *unwrittenError) Error() string { return e.what }

func (e *unwrittenError) Unwrap() error { return e.error }

// unwritten is err, or in its place one line that tells what is the matter with folder, by the name that is shown, if it
// is gone or its disk is full, since then nearly every file of the report fails.
func unwritten(err error, folder, shown string) error {
	var known *unwrittenError
	var failed *fs.PathError
	if errors.As(err, &known) {
		return known
	}
	if !errors.As(err, &failed) {
		return err
	}
	_, gone := os.Stat(folder)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &unwrittenError{fmt.Sprintf("the disk is full: %v; %s holds the whole rows that there was room for", failed, shown), err}
	case errors.Is(gone, fs.ErrNotExist):
		return &unwrittenError{fmt.Sprintf("the folder %s is gone; what was measured is on the terminal alone", shown), err}
	default:
		return err
	}
}

// unwritten is unwritten of the folder of the run.
func (s *session) unwritten(err error) error { return unwritten(err, s.folder, s.shownFolder()) }
