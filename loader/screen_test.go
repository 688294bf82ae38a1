package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScreen(t *testing.T) {
	for _, test := range []struct {
		name             string
		json             bool
		terminal         *os.File
		environment      map[string]string
		progress, colour bool
	}{
		{"terminal", false, os.Stdout, map[string]string{"TERM": "xterm-256color"}, true, true},
		{"no terminal", false, os.Stderr, map[string]string{"TERM": "xterm"}, false, false},
		{"NO_COLOR", false, os.Stdout, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, true, false},
		{"NO_COLOR empty", false, os.Stdout, map[string]string{"NO_COLOR": ""}, true, true},
		{"dumb", false, os.Stdout, map[string]string{"TERM": "dumb"}, false, false},
		{"JSON to a terminal", true, os.Stdout, nil, false, false},
		{"JSON to a file", true, os.Stderr, nil, true, true},
	} {
		s := newScreen(test.json, func(file *os.File) bool { return file == test.terminal }, environmentOf(test.environment))
		assert.Equal(t, test.progress, s.Progress, test.name)
		assert.Equal(t, test.colour, s.Colour, test.name)
		assert.Equal(t, pipe{os.Stderr}, s.Notes)
		if test.json {
			assert.Equal(t, pipe{os.Stdout}, s.JSON)
			assert.Equal(t, pipe{os.Stderr}, s.Out, "nothing but JSON is on the standard output")
		} else {
			assert.Equal(t, pipe{os.Stdout}, s.Out)
			assert.Nil(t, s.JSON)
		}
	}
}

func TestAPipeWithoutAReaderIsNoError(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	n, err := pipe{writer}.Write([]byte("lost"))
	assert.NoError(t, err)
	assert.Equal(t, 4, n)
	require.NoError(t, writer.Close())
	_, err = pipe{writer}.Write([]byte("lost"))
	assert.ErrorIs(t, err, os.ErrClosed, "other errors are told")
}

func environmentOf(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}
