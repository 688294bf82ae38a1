package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// screen is where and how a command prints, decided once.
type screen struct {
	text     io.Writer // for people: standard output, or standard error with --json
	json     io.Writer // for programs: standard output with --json, otherwise nil
	progress bool      // text is a terminal on which a line can be overwritten
	colour   bool      // text is a terminal that shows colours, and they are wanted
}

// newScreen decides by --json, by what the outputs are, and by TERM and NO_COLOR (https://no-color.org).
func newScreen(json bool, stdout, stderr *os.File, environment func(string) string) screen {
	s := screen{text: stdout}
	file := stdout
	if json {
		s.text, s.json, file = stderr, stdout, stderr
	}
	s.progress = term.IsTerminal(int(file.Fd())) && environment("TERM") != "dumb"
	s.colour = s.progress && environment("NO_COLOR") == ""
	return s
}
