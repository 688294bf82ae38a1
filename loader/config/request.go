package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"leaklab/loader/external"
	"leaklab/loader/load"
	"leaklab/loader/shell"
)

// Shapes are the names of shapes of load, each once.
type Shapes []string

// UnmarshalText fails when text is not a list of such names, separated by commas.
func (s *Shapes) UnmarshalText(text []byte) error {
	for name := range strings.SplitSeq(string(text), ",") {
		name = strings.TrimSpace(name)
		if load.ShapeNamed(name) == nil || slices.Contains(*s, name) {
			return fmt.Errorf("expected one or several of %s, separated by commas", strings.Join(load.ShapeNames(), ", "))
		}
		*s = append(*s, name)
	}
	return nil
}

// Unique are the names of the dimensions in which the requests of the shape unique differ, each once.
type Unique []string

// UnmarshalText fails when text is not a list of such names, separated by commas.
func (u *Unique) UnmarshalText(text []byte) error {
	var names []string
	for name := range strings.SplitSeq(string(text), ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(load.DimensionNames(), name) || slices.Contains(names, name) {
			return fmt.Errorf("expected one or several of %s, separated by commas", strings.Join(load.DimensionNames(), ", "))
		}
		names = append(names, name)
	}
	*u = names
	return nil
}

// isChosen is true for others than those that there are without the setting.
func (u Unique) isChosen() bool { return u != nil && !slices.Equal(u, load.UsualDimensions()) }

// Protocol is one of load.Protocols.
type Protocol load.Protocol

// UnmarshalText fails when text is none of them.
func (p *Protocol) UnmarshalText(text []byte) error {
	*p = Protocol(text)
	if !slices.Contains(load.Protocols(), load.Protocol(*p)) {
		return fmt.Errorf("expected one of %s", strings.Trim(fmt.Sprint(load.Protocols()), "[]"))
	}
	return nil
}

// Reuse tells if an iteration uses the connections of the one before: Kept, Fresh, or empty if it is not set, which is Kept.
type Reuse string

// The kinds of Reuse.
const (
	Kept  Reuse = "kept"
	Fresh Reuse = "fresh"
)

// UnmarshalText fails when text is neither.
func (r *Reuse) UnmarshalText(text []byte) error {
	*r = Reuse(text)
	if *r != Kept && *r != Fresh {
		return fmt.Errorf("expected %s or %s", Kept, Fresh)
	}
	return nil
}

// Rate is a number of requests per second; 0 is as fast as they are answered.
type Rate float64

// UnmarshalText fails when text is not such a number.
func (r *Rate) UnmarshalText(text []byte) error {
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(value == 0 || value >= 0.001 && value <= 1e7) {
		return errors.New("expected requests per second over all workers, for example \"5000\", or 0 for as fast as they are answered")
	}
	*r = Rate(value)
	return nil
}

var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// Method is an HTTP method.
type Method string

// UnmarshalText fails when text cannot be one. Methods are written in capitals, since "post" is not POST; CONNECT asks
// for a tunnel, not for an answer.
func (m *Method) UnmarshalText(text []byte) error {
	if !token.Match(text) || bytes.ContainsFunc(text, unicode.IsLower) || string(text) == "CONNECT" {
		return errors.New("expected an HTTP method in capitals, for example \"POST\", but not CONNECT")
	}
	*m = Method(text)
	return nil
}

var errLines = errors.New("expected lines like \"Accept: text/html|X-Color: blue\", separated by | or line ends")

// isControl is true for a character that the value of a header field may not have.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// Headers are lines of a request's header.
type Headers []load.Field

// UnmarshalText fails when text is not a list of "Name: value", separated by | or line ends.
func (h *Headers) UnmarshalText(text []byte) error {
	for line := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == '|' || r == '\n' || r == '\r' }) {
		name, value, found := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found || !token.MatchString(name) || strings.ContainsFunc(value, isControl) {
			return errLines
		}
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding", "connection":
			return fmt.Errorf("expected no %s: the shape of the load decides it", name)
		}
		*h = append(*h, load.Field{Name: name, Value: value})
	}
	if len(*h) == 0 {
		return errLines
	}
	return nil
}

// Command is the command line of a load tool, in words with placeholders.
type Command []string

// UnmarshalText fails when text has an open quote, or a placeholder that does not exist.
func (c *Command) UnmarshalText(text []byte) error {
	words, err := shell.Split(string(text))
	if err == nil {
		err = external.Check(words)
	}
	*c = words
	return err
}

// Server is the command line of a server, in words.
type Server []string

// UnmarshalText fails when text has an open quote, or no word.
func (s *Server) UnmarshalText(text []byte) error {
	words, err := shell.Split(string(text))
	*s = words
	return err
}

// At returns the words with an address in place of {host} and {port}.
func (s Server) At(host Host, port Port) []string {
	filled := strings.NewReplacer("{host}", string(host), "{port}", strconv.Itoa(int(port)))
	words := make([]string, len(s))
	for n, word := range s {
		words[n] = filled.Replace(word)
	}
	return words
}

// BasicAuth is a user and a password, separated by a colon.
type BasicAuth string

// UnmarshalText fails when text has no colon. The error does not repeat the text.
func (b *BasicAuth) UnmarshalText(text []byte) error {
	if !strings.Contains(string(text), ":") {
		return errors.New("expected user:password")
	}
	*b = BasicAuth(text)
	return nil
}

// Size is a number of bytes, at most 1 GiB.
type Size int

// UnmarshalText fails when text is not such a number.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := wholeNumber(text, 0, 1<<30, "bytes")
	*s = Size(n)
	return err
}
