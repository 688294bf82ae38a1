package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// screen is where and how a command prints, decided once.
type screen struct {
	Out      io.Writer // for people: standard output, or standard error with --json
	Notes    io.Writer // warnings and errors
	JSON     io.Writer // for programs: standard output with --json, otherwise nil
	Progress bool      // Out is a terminal on which a line can be overwritten
	Colour   bool      // Out is a terminal that shows colours, and they are wanted
}

// newScreen decides by --json, by which outputs are terminals, and by TERM and NO_COLOR (https://no-color.org).
func newScreen(json bool, isTerminal func(*os.File) bool, environment func(string) string) screen {
	stdout, stderr := os.Stdout, os.Stderr
	s := screen{Out: stdout, Notes: stderr}
	file := stdout
	if json {
		s.Out, s.JSON, file = stderr, stdout, stderr
	}
	s.Progress = isTerminal(file) && environment("TERM") != "dumb"
	s.Colour = s.Progress && environment("NO_COLOR") == ""
	return s
}

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }
