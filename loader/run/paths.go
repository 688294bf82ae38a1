package run

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"leaklab/loader/config"
	"leaklab/loader/load"
)

// readPaths takes the paths from URL_FILE, which has a URL or a path in each line; empty lines, and those that begin with
// #, are left out. Every line is checked. The paths of a large file stay there, and are read as they are requested.
func (r request) readPaths(made *load.Request, keep func(io.Closer)) error {
	file, size, err := openFile(r.urlFile)
	if err != nil {
		return err
	}
	var paths []string
	first := ""
	lines := linesOf(file, size)
	for number := 1; err == nil && lines.Scan(); number++ {
		var path string
		switch path, err = pathIn(lines.Text()); {
		case err != nil:
			err = fmt.Errorf("line %d is %.200q", number, strings.TrimSpace(lines.Text()))
		case path == "":
		case size > mostInMemory:
			first = path
		default:
			paths, first = append(paths, path), path
		}
	}
	switch {
	case err != nil:
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		err = fmt.Errorf("a line is longer than %d bytes", mostLine)
	case lines.Err() != nil:
		err = lines.Err()
	case first == "":
		err = errors.New("there is none")
	}
	if err != nil || size <= mostInMemory {
		made.Paths = paths
		return errors.Join(err, file.Close())
	}
	keep(file)
	made.ManyPaths = func() func() string { return pathsOf(file, size, first) }
	return nil
}

// pathsOf returns a function that returns the paths in a file in turn, for ever. It returns the path instead if there is
// none any more.
func pathsOf(file io.ReaderAt, size int64, instead string) func() string {
	lines := linesOf(file, size)
	return func() string {
		for range 2 { // the second time from the beginning
			for lines.Scan() {
				if path, err := pathIn(lines.Text()); err == nil && path != "" {
					return path
				}
			}
			lines = linesOf(file, size)
		}
		return instead
	}
}

func linesOf(file io.ReaderAt, size int64) *bufio.Scanner {
	lines := bufio.NewScanner(io.NewSectionReader(file, 0, size))
	lines.Buffer(make([]byte, 0, 64<<10), mostLine)
	return lines
}

// pathIn returns the path in a line with a path or a URL; empty if the line is empty, or begins with #.
func pathIn(line string) (string, error) {
	line = strings.TrimSpace(line)
	switch {
	case line == "" || line[0] == '#':
		return "", nil
	case isPlainPath(line):
		return line, nil
	}
	target, err := url.Parse(line)
	if err != nil {
		return "", err
	}
	var path config.Path
	err = path.UnmarshalText([]byte(target.RequestURI()))
	return string(path), err
}

// isPlainPath is true for a path that is requested as it stands, which needs no parsing. It is false for some of those.
func isPlainPath(line string) bool {
	if line[0] != '/' || strings.HasPrefix(line, "//") {
		return false
	}
	for _, c := range []byte(line) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/?=&-_.~", c) >= 0:
		default:
			return false
		}
	}
	return true
}
