package main

import (
	"os"

	"golang.org/x/term"

	"leaklab/loader/run"
)

// newScreen is where and how a command prints: for people on standard output, or, with --json, on standard error. It decides by --json, by which outputs are terminals, and by TERM and NO_COLOR (https://no-color.org).
func newScreen(json bool, isTerminal func(*os.File) bool, environment func(string) string) run.Screen {
	stdout, stderr := os.Stdout, os.Stderr
	s := run.Screen{Out: stdout, Notes: stderr}
	file := stdout
	if json {
		s.Out, s.JSON, file = stderr, stdout, stderr
	}
	s.Progress = isTerminal(file) && environment("TERM") != "dumb"
	s.Colour = s.Progress && environment("NO_COLOR") == ""
	return s
}

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }
