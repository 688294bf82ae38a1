package main

import (
	"bufio"
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

// requestOf returns what is asked of the server. It reads the files that the settings name; an error wraps
// errSettings.
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
	if cfg.URLFile != "" {
		paths, err := readPaths(cfg.URLFile)
		if err != nil {
			return request, fmt.Errorf("URL_FILE=%q: %w: %w", cfg.URLFile, err, errSettings)
		}
		request.Paths = paths
	}
	if cfg.BodyFile != "" {
		body, err := os.ReadFile(cfg.BodyFile)
		if err != nil {
			return request, fmt.Errorf("BODY_FILE=%q: %w: %w", cfg.BodyFile, err, errSettings)
		}
		request.Body = body
	}
	return request, nil
}

// readPaths returns the paths of a file with a URL or a path in each line; empty lines, and those that begin with
// #, are left out.
func readPaths(file string) ([]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var paths []string
	lines := bufio.NewScanner(bytes.NewReader(content))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		target, err := url.Parse(line)
		var path config.Path
		if err == nil {
			err = path.UnmarshalText([]byte(target.RequestURI()))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d is %q; expected a URL, or a path that begins with \"/\"", number, line)
		}
		paths = append(paths, string(path))
	}
	if lines.Err() != nil {
		return nil, lines.Err()
	}
	if len(paths) == 0 {
		return nil, errors.New("expected a URL, or a path, in each line; there is none")
	}
	return paths, nil
}

// shaped returns what the clients do in a run. An upload without a body of its own has BODY_BYTES of it.
func shaped(cfg config.Config, shape string, request load.Request) load.Behaviour {
	if shape == "upload" && len(request.Body) == 0 {
		request.Body = bytes.Repeat([]byte("leaklab\n"), int(cfg.BodyBytes)/8+1)[:cfg.BodyBytes]
	}
	return load.NewBehaviour(load.ShapeNamed(shape), request, cfg.Address())
}
