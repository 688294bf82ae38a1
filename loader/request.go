package main

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

// requestOf returns what is asked of the server. It reads the files that the settings name; the error says what is wrong
// with each.
func requestOf(cfg config.Config) (load.Request, error) {
	request := load.Request{Method: string(cfg.Method), Paths: []string{string(cfg.RequestPath)}, Body: []byte(cfg.Body)}
	for _, field := range cfg.Headers {
		if strings.EqualFold(field.Name, "Host") {
			request.Host = field.Value
		} else {
			request.Header = append(request.Header, field)
		}
	}
	if cfg.BasicAuth != "" {
		credentials := base64.StdEncoding.EncodeToString([]byte(cfg.BasicAuth))
		request.Header = append(request.Header, load.Field{Name: "Authorization", Value: "Basic " + credentials})
	}
	var wrong []error
	if cfg.URLFile != "" {
		paths, err := readPaths(string(cfg.URLFile))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("URL_FILE=%q: expected a file with a URL, or a path that begins with \"/\", in each line: %w", cfg.URLFile, err))
		}
		request.Paths = paths
	}
	if cfg.BodyFile != "" {
		body, err := contentOf(string(cfg.BodyFile), mostBody)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("BODY_FILE=%q: expected a file that can be read: %w", cfg.BodyFile, err))
		}
		request.Body = body
	}
	return request, errors.Join(wrong...)
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

// shaped returns what the clients do in a run. A shape that needs a body gets one of BODY_BYTES if there is none.
func shaped(cfg config.Config, shape string, request load.Request) load.Behaviour {
	pattern := load.ShapeNamed(shape)
	if pattern.NeedsBody && len(request.Body) == 0 {
		request.Body = bytes.Repeat([]byte("leaklab\n"), int(cfg.BodyBytes)/8+1)[:cfg.BodyBytes]
	}
	return load.NewBehaviour(pattern, request, cfg.Address())
}
