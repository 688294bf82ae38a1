package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"leaklab/loader/run"
)

// newScreen is where and how a command prints: for people on standard output, or, with --json, on standard error. It decides by --json, by which outputs are terminals, and by TERM and NO_COLOR (https://no-color.org).
func newScreen(json bool, isTerminal func(*os.File) bool, environment func(string) string) run.Screen {
	s := run.Screen{Out: pipe{os.Stdout}, Notes: pipe{os.Stderr}}
	file := os.Stdout
	if json {
		s.Out, s.JSON, file = s.Notes, s.Out, os.Stderr
	}
	s.Progress = isTerminal(file) && environment("TERM") != "dumb"
	s.Colour = s.Progress && environment("NO_COLOR") == ""
	return s
}

// pipe is an output whose reader may end before the run, as head does. What is written after that is lost, without an
// error: the report has it.
type pipe struct{ io.Writer }

func (p pipe) Write(content []byte) (int, error) {
	n, err := p.Writer.Write(content)
	if errors.Is(err, syscall.EPIPE) {
		return len(content), nil
	}
	return n, err
}

// outliveReaders keeps this program from ending when it writes to a pipe without a reader. Programs that it starts are
// not affected, as they would be if it ignored the signal.
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }
