package run

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"leaklab/loader/record"
	"leaklab/loader/report"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// write brings the record up to date with the verdict, and writes the report.
func (s *session) write() error {
	tolerance := s.plan.options.Tolerance
	var series, other []record.Point
	if s.watch != nil {
		series = s.samples.Series()
	}
	if s.judge == nil { // the run ends before it has begun
		s.record.Verdict = record.NewVerdict(verdict.Judge(nil, verdict.Options{}), tolerance)
		return report.Write(s.folder, s.record, series, nil)
	}
	s.record.Verdict = record.NewVerdict(s.judge.Verdict(), tolerance)
	s.record.Remarks = s.judge.Remarks(int(s.openFiles.Load()), s.target.FilesLimit())
	s.record.Profiles = s.profiles.profiles()
	if s.baseline != nil {
		c := s.baseline.paired.Comparison()
		s.record.Baseline.Verdict, s.record.Baseline.Difference = record.NewVerdict(c.Old, tolerance), record.NewDifference(c)
		other = s.baseline.samples.Series()
	}
	return report.Write(s.folder, s.record, series, other)
}

// print prints the verdict, and how the run compares with the baseline and with the run that it makes again, unless there
// is nothing to judge.
func (s *session) print() error {
	if s.judge.Iterations() == 0 {
		return s.printJSON()
	}
	end := terminal.End{
		Verdict: s.judge.Verdict(), Tolerance: s.plan.options.Tolerance, Remarks: s.record.Remarks, Results: s.shownFolder(),
		Dashboard: s.dashboard(time.Now()),
	}
	if s.record.Profiles != nil {
		end.Sites = s.record.Profiles.Lines()
	}
	return errors.Join(s.terminal.Verdict(end), s.printJSON(), s.comparison(), s.reproduction())
}

// printJSON prints the outcome of the run as JSON, if that is asked for.
func (s *session) printJSON() error {
	if s.screen.JSON == nil {
		return nil
	}
	return terminal.WriteJSON(s.screen.JSON, s.record, s.shownFolder())
}

// draw has the program beside this one draw the pictures of the run, since fonts and pixels would take as much memory as
// all the rest of the loader. Without that program, or without an iteration, there are none. A program that fails, or
// cannot be built, is noted, but changes no verdict; a full disk is an error. Ctrl-C does not reach it.
func (s *session) draw() error {
	if len(s.record.Iterations) == 0 {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	drawing := exec.Command(filepath.Join(filepath.Dir(program), "draw"), s.folder)
	drawing.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said := &drawingNotes{notes: s.screen.Notes}
	drawing.Stdout, drawing.Stderr = said, said
	err = drawing.Run()
	output := said.Bytes()
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.ENOENT} { // that unwritten knows
		if bytes.Contains(output, []byte(cause.Error())) {
			return &fs.PathError{Op: "draw", Path: s.folder, Err: cause}
		}
	}
	note(s.screen.Notes, fmt.Sprintf("loader: no memory.svg and memory.png: %v: %s", err, bytes.TrimSpace(output)))
	return nil
}

// drawingNotes keeps what the drawing program says. That it has to be built first, which takes a while, is passed on at
// once.
type drawingNotes struct {
	bytes.Buffer
	notes io.Writer
}

// Write keeps a piece of output.
func (d *drawingNotes) Write(piece []byte) (int, error) {
	if bytes.HasPrefix(piece, []byte("draw: building ")) {
		_, _ = d.notes.Write(piece) // an error of the screen is left to the next block
		return len(piece), nil
	}
	return d.Buffer.Write(piece)
}
