package run

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"leaklab/loader/load"
)

// request is what is asked of the server, as the settings say.
type request struct {
	method, path, basicAuth string
	headers                 []load.Field
	body, bodyFile, urlFile string
	bodyBytes               int      // of an upload without a body
	unique                  []string // dimensions of the shape of that name
	protocol                load.Protocol
	protoset                string
}

// asked is a request that may wait for the schema of the server.
type asked struct {
	load.Request
	json []byte // of the messages of a call; nil if the request is complete
}

// read returns the request for a shape of load. It checks the files that the settings name; the error tells what is wrong
// with each. Files that are too large for memory stay open, and keep is told to close them. A shape that needs a body has
// BODY_BYTES of one, if there is no other.
func (r request) read(needsBody bool, keep func(io.Closer)) (asked, error) {
	made := asked{Request: load.Request{Method: r.method, Paths: []string{r.path}, Calls: r.protocol.Calls(), Unique: r.unique}}
	if r.body != "" {
		made.Body = strings.NewReader(r.body)
	}
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
	var instead load.Body // of none
	if needsBody {
		instead = filler(r.bodyBytes)
	}
	if r.urlFile != "" {
		if err := r.readTargets(&made.Request, instead, keep); err != nil {
			wrong = append(wrong, fmt.Errorf("URL_FILE=%q: %w", r.urlFile, err))
		}
	}
	if r.bodyFile != "" {
		var err error
		if made.Body, err = readBody(r.bodyFile, mostInMemory, keep); err != nil {
			wrong = append(wrong, fmt.Errorf("BODY_FILE=%q: %w", r.bodyFile, err))
		}
	}
	if r.protocol.Calls() {
		return made, errors.Join(append(wrong, r.readMessages(&made, needsBody, keep)...)...)
	}
	made.Body = orElse(made.Body, instead)
	return made, errors.Join(wrong...)
}

// What files may have, in bytes.
const (
	mostFile     = 1 << 30 // as BODY_BYTES
	mostInMemory = 1 << 20 // what is larger is read again and again
	mostLine     = 1 << 20
)

// openFile opens a file that has an end: a device or a pipe may have none.
func openFile(name string) (*os.File, int64, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("it is not a regular file")
	case info.Size() > mostFile:
		return nil, 0, fmt.Errorf("it is larger than %d MiB", mostFile>>20)
	}
	file, err := os.Open(name)
	return file, info.Size(), err
}

// readBody returns the content of a file. If it has more bytes than most, keep is told of the file, which stays open.
func readBody(name string, most int64, keep func(io.Closer)) (load.Body, error) {
	file, size, err := openFile(name)
	if err != nil {
		return nil, fmt.Errorf("expected a file that can be read: %w", err)
	}
	if size > most {
		keep(file)
		return io.NewSectionReader(file, 0, size), nil
	}
	content, err := io.ReadAll(io.LimitReader(file, most))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("expected a file that can be read: %w", err)
	}
	return bytes.NewReader(content), nil
}

// orElse is a body, or instead if that is empty and there is one.
func orElse(body, instead load.Body) load.Body {
	if instead != nil && (body == nil || body.Size() == 0) {
		return instead
	}
	return body
}

// filler is a body of that many bytes.
type filler int64

// Size returns the number of bytes.
func (f filler) Size() int64 { return int64(f) }

// ReadAt reads the text "leaklab" and a line end, over and over. It fails with io.EOF at the end.
func (f filler) ReadAt(p []byte, at int64) (int, error) {
	const text = "leaklab\n"
	n := int(min(int64(len(p)), max(0, int64(f)-at)))
	done := copy(p[:n], text[at%int64(len(text)):]+text[:at%int64(len(text))])
	for done < n {
		done += copy(p[done:n], p[:done]) // a multiple of the text, until the last
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
