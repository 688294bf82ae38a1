package run

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"leaklab/loader/config"
	"leaklab/loader/load"
)

// request is what is asked of the server, as the settings say.
type request struct {
	method, path, basicAuth string
	headers                 []load.Field
	body, bodyFile, urlFile string
	bodyBytes               int // of an upload without a body
}

// read returns the request for a shape of load. It reads the files that the settings name; the error tells what is wrong
// with each. A shape that needs a body has BODY_BYTES of one, if there is no other.
func (r request) read(needsBody bool) (load.Request, error) {
	made := load.Request{Method: r.method, Paths: []string{r.path}, Body: []byte(r.body)}
	for _, field := range r.headers {
		if strings.EqualFold(field.Name, "Host") {
			made.Host = field.Value
		} else {
			made.Header = append(made.Header, field)
		}
	}
	if r.basicAuth != "" {
		credentials := base64.StdEncoding.EncodeToString([]byte(r.basicAuth))
		made.Header = append(made.Header, load.Field{Name: "Authorization", Value: "Basic " + credentials})
	}
	var wrong []error
	if r.urlFile != "" {
		paths, err := readPaths(r.urlFile)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("URL_FILE=%q: expected a file with a URL, or a path that begins with \"/\", in each line: %w", r.urlFile, err))
		}
		made.Paths = paths
	}
	if r.bodyFile != "" {
		body, err := contentOf(r.bodyFile, mostBody)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("BODY_FILE=%q: expected a file that can be read: %w", r.bodyFile, err))
		}
		made.Body = body
	}
	if needsBody && len(made.Body) == 0 {
		made.Body = bytes.Repeat([]byte("leaklab\n"), r.bodyBytes/8+1)[:r.bodyBytes]
	}
	return made, errors.Join(wrong...)
}

// What files may have, in bytes.
const (
	mostBody  = 1 << 30 // as BODY_BYTES
	mostPaths = 16 << 20
)

// contentOf returns what is in a file, which has an end: a device or a pipe may have none.
func contentOf(file string, most int64) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > most:
		return nil, fmt.Errorf("it is larger than %d MiB", most>>20)
	}
	return os.ReadFile(file)
}

// readPaths returns the paths of a file with a URL or a path in each line; empty lines, and those that begin with
// #, are left out.
func readPaths(file string) ([]string, error) {
	content, err := contentOf(file, mostPaths)
	if err != nil {
		return nil, err
	}
	var paths []string
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		target, err := url.Parse(line)
		var path config.Path
		if err == nil {
			err = path.UnmarshalText([]byte(target.RequestURI()))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d is %.200q", number, line)
		}
		paths = append(paths, string(path))
	}
	if len(paths) == 0 {
		return nil, errors.New("there is none")
	}
	return paths, nil
}
