package run

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"leaklab/loader/config"
	"leaklab/loader/load"
)

// What a URL_FILE may have.
const (
	mostLines   = 50_000 // requests in memory
	mostWeight  = 10_000
	mostWeights = 250_000 // in all, if it is kept in memory
	mostBodies  = 8 << 20 // bytes in memory of the files that it names
	mostOpen    = 16      // files that it names and that stay open
)

// readTargets takes the requests from URL_FILE; see lineIn. Every line is checked. If they are too many for memory, they
// stay there, and are read as they are requested. instead, if it is not nil, is the body of a line that has a method and
// no body.
func (r request) readTargets(made *load.Request, instead load.Body, keep func(io.Closer)) error {
	file, size, err := openFile(r.urlFile)
	if err != nil {
		return notALine(err)
	}
	m := mix{folder: filepath.Dir(r.urlFile), bodies: make(map[string]load.Body), instead: instead, keep: keep}
	var targets []load.Target
	var last load.Target
	weights, large := 0, size > mostInMemory
	lines := linesOf(file, size)
	for number := 1; err == nil && lines.Scan(); number++ {
		l, found, wrong := lineIn(lines.Text())
		if wrong == nil && l.bodyFile != "" {
			wrong = m.open(l.bodyFile)
		}
		if wrong == nil && l.Method != "" && (r.protocol.Calls() || r.protocol.Streams()) {
			wrong = fmt.Errorf("%.200q: expected no method of HTTP, nor a body, with PROTOCOL=%s", l.Method, r.protocol)
		}
		switch {
		case wrong != nil:
			err = fmt.Errorf("line %d: %w", number, wrong)
		case found:
			last = m.target(l)
			if large = large || len(targets) == mostLines; !large {
				targets, weights = append(targets, last), weights+max(1, l.Weight)
			}
		}
	}
	switch {
	case err != nil:
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		err = notALine(fmt.Errorf("a line is longer than %d bytes", mostLine))
	case lines.Err() != nil:
		err = notALine(lines.Err())
	case last.Path == "":
		err = notALine(errors.New("there is none"))
	case !large && weights > mostWeights:
		err = fmt.Errorf("expected weights of at most %d in all, but they are %d", mostWeights, weights)
	}
	if err != nil || !large {
		made.Targets = targets
		return errors.Join(err, file.Close())
	}
	keep(file)
	made.ManyTargets = func() func() load.Target { return m.targetsOf(file, size, last) }
	return nil
}

// notALine is the error of a file without lines as they should be.
func notALine(err error) error {
	return fmt.Errorf("expected a file with a URL, or a path that begins with \"/\", in each line: %w", err)
}

// mix are the bodies that the lines of a URL_FILE have.
type mix struct {
	folder   string               // of that file, in which the names of others are
	bodies   map[string]load.Body // of files, by their names
	instead  load.Body
	keep     func(io.Closer)
	inMemory int64 // bytes of bodies
	opened   int   // files that stay open
}

// open reads a file with a body, once.
func (m *mix) open(name string) error {
	if _, known := m.bodies[name]; known {
		return nil
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(m.folder, path)
	}
	kept := false
	body, err := readBody(path, min(mostInMemory, mostBodies-m.inMemory), func(file io.Closer) {
		m.keep(file)
		kept = true
	})
	if err != nil {
		return fmt.Errorf("%.200q: %w", "@"+name, err)
	}
	if m.bodies[name] = body; !kept {
		m.inMemory += body.Size()
	} else if m.opened++; m.opened > mostOpen {
		return fmt.Errorf("%.200q: expected at most %d files of more than %d MiB, or than is left of %d MiB for all", "@"+name, mostOpen, mostInMemory>>20, mostBodies>>20)
	}
	return nil
}

// target is what a line asks for. Its file with a body, if any, has been opened.
func (m *mix) target(l line) load.Target {
	if l.bodyFile != "" {
		l.Body = m.bodies[l.bodyFile]
	}
	if l.Method != "" {
		l.Body = orElse(l.Body, m.instead)
	}
	return l.Target
}

// targetsOf returns a function that returns what the lines of a file ask for, in turn, for ever. It returns instead if
// there is none any more.
func (m *mix) targetsOf(file io.ReaderAt, size int64, instead load.Target) func() load.Target {
	lines := linesOf(file, size)
	return func() load.Target {
		for range 2 { // the second time from the beginning
			for lines.Scan() {
				l, found, err := lineIn(lines.Text())
				if _, opened := m.bodies[l.bodyFile]; err == nil && found && (opened || l.bodyFile == "") {
					return m.target(l)
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

// line is a line of URL_FILE.
type line struct {
	load.Target
	bodyFile string // in place of Body; empty without one
}

// isURL is true for a field that is to be a URL or a path, and false for a weight or a method.
func isURL(field string) bool { return strings.ContainsAny(field, "/:?") }

// isNumber is true for a field that is to be a weight.
func isNumber(field string) bool { return strings.IndexByte("+-.0123456789", field[0]) >= 0 }

// lineIn reads a line of one of these forms; false if it is empty, or begins with #:
//
//	URL
//	[WEIGHT] [METHOD] URL [BODY]
//
// The first is the whole line, spaces included. Fields of the second have spaces or tabs between them, and it begins with
// a weight or a method. A body needs a method, and is the rest of the line, or, after @, of the file of that name. The
// error tells which field is wrong; it does not repeat a body, which may be secret.
func lineIn(text string) (line, bool, error) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' {
		return line{}, false, nil
	}
	field, rest := cutField(text)
	if isURL(field) || rest == "" {
		field, rest = text, ""
	}
	var l line
	var err error
	if rest != "" && isNumber(field) {
		if l.Weight, err = strconv.Atoi(field); err != nil || l.Weight < 1 || l.Weight > mostWeight {
			return line{}, false, fmt.Errorf("%.200q: expected a weight, from 1 to %d", field, mostWeight)
		}
		if field, rest = cutField(rest); isNumber(field) {
			return line{}, false, fmt.Errorf("%.200q: expected a method or a URL after the weight", field)
		}
	}
	if rest != "" && !isURL(field) {
		var method config.Method
		if err := method.UnmarshalText([]byte(field)); err != nil {
			return line{}, false, fmt.Errorf("%.200q: %w", field, err)
		}
		l.Method = string(method)
		field, rest = cutField(rest)
	}
	if l.Path, err = pathIn(field); err != nil || l.Path == "" {
		return line{}, false, fmt.Errorf("%.200q: expected a URL, or a path that begins with \"/\"", field)
	}
	name, inFile := strings.CutPrefix(rest, "@")
	switch {
	case rest == "":
	case l.Method == "":
		return line{}, false, fmt.Errorf("%.200q: expected a method before it, since a body follows", field)
	case inFile && name == "":
		return line{}, false, errors.New(`"@": expected the name of a file with a body after it`)
	case inFile:
		l.bodyFile = name
	default:
		l.Body = strings.NewReader(rest)
	}
	return l, true, nil
}

// cutField returns the first field of text, and what follows it.
func cutField(text string) (field, rest string) {
	if at := strings.IndexAny(text, " \t"); at >= 0 {
		return text[:at], strings.TrimLeft(text[at:], " \t")
	}
	return text, ""
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
