package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"leaklab/loader/subject"
)

// How long the drawing program may take, which may have to be built first, and how long after an interruption.
const (
	drawLimit            = 5 * time.Minute
	interruptedDrawLimit = 5 * time.Second
)

// draw has the program beside this one draw the pictures of the run, since fonts and pixels would take as much memory as
// all the rest of the loader. Without that program, or without an iteration, there are none. A program that fails, or
// cannot be built, is noted, but changes no verdict; a full disk is an error. signalled is the context that a signal ends.
func (s *session) draw(signalled context.Context) error {
	if len(s.record.Iterations) == 0 {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := within(signalled, drawLimit, interruptedDrawLimit)
	defer stop()
	drawing := exec.CommandContext(ctx, filepath.Join(filepath.Dir(program), "draw"), s.folder)
	drawing.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C does not reach it
	drawing.Cancel = func() error { return syscall.Kill(-drawing.Process.Pid, syscall.SIGKILL) }
	drawing.WaitDelay = time.Second
	said := &drawingNotes{notes: s.screen.Notes}
	drawing.Stdout, drawing.Stderr = said, said
	err = runGuarded(drawing)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case ctx.Err() != nil:
		err = errors.New("drawing took too long")
	}
	if cause := said.cause(); cause != nil {
		return &fs.PathError{Op: "draw", Path: s.folder, Err: cause}
	}
	note(s.screen.Notes, fmt.Sprintf("loader: no memory.svg and memory.png: %v: %s", err, bytes.TrimSpace(said.said.Bytes())))
	return nil
}

// runGuarded runs a command that leads a process group, which ends with this program. A container without a shell ends
// all of its processes by itself.
func runGuarded(command *exec.Cmd) error {
	if err := command.Start(); err != nil {
		return err
	}
	if dismiss, err := subject.GuardGroup(command.Process.Pid); err == nil {
		defer dismiss()
	}
	return command.Wait()
}

// building begins the line that tells that the drawing program has to be built first; failed begins its own errors.
const (
	building = "draw: building "
	failed   = "draw: cannot "
)

// drawingNotes keeps what the drawing program says. That it has to be built first, which takes a while, is passed on at
// once.
type drawingNotes struct {
	notes io.Writer
	said  bytes.Buffer
}

// Write takes a piece of output, which begins with a line if the one before has ended.
func (d *drawingNotes) Write(piece []byte) (int, error) {
	kept := piece
	if bytes.HasPrefix(piece, []byte(building)) {
		line, rest, _ := bytes.Cut(piece, []byte("\n"))
		_, _ = fmt.Fprintf(d.notes, "%s\n", line) // an error of the screen is left to the next block
		kept = rest
	}
	d.said.Write(kept)
	return len(piece), nil
}

// cause is why the program could not draw, if that is the folder or its disk; nil if it is another reason, or if it could
// not be built.
func (d *drawingNotes) cause() error {
	for line := range strings.Lines(d.said.String()) {
		for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.ENOENT} { // that unwritten knows
			if strings.HasPrefix(line, failed) && strings.Contains(line, cause.Error()) {
				return cause
			}
		}
	}
	return nil
}
