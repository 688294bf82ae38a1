package config

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Tries is a number of iterations, from 1 to 10,000, or Auto.
type Tries int

// Auto stands for as many iterations as it takes to decide.
const Auto Tries = 0

// UnmarshalText fails when text is neither such a number nor "auto".
func (t *Tries) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*t = Auto
		return nil
	}
	n, err := wholeNumber(text, 1, 10_000, "iterations")
	if err != nil {
		err = fmt.Errorf("%w, or \"auto\"", err)
	}
	*t = Tries(n)
	return err
}

// Tolerance is a growth in bytes per request, more than 0.
type Tolerance float64

// UnmarshalText fails when text is not such a number.
func (t *Tolerance) UnmarshalText(text []byte) error {
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(value > 0 && value <= 1e9) {
		return errors.New("expected a growth in bytes per request, more than 0, for example \"4\"")
	}
	*t = Tolerance(value)
	return nil
}

// Count is a number of iterations, from 1 to 10,000.
type Count int

// UnmarshalText fails when text is not such a number.
func (c *Count) UnmarshalText(text []byte) error {
	n, err := wholeNumber(text, 1, 10_000, "iterations")
	*c = Count(n)
	return err
}

// Workers is a number of connections, from 1 to 50,000.
type Workers int

// UnmarshalText fails when text is not such a number.
func (w *Workers) UnmarshalText(text []byte) error {
	n, err := wholeNumber(text, 1, 50_000, "connections")
	*w = Workers(n)
	return err
}

// Streams is a number of requests at a time on a connection, from 1 to 1,000.
type Streams int

// UnmarshalText fails when text is not such a number.
func (s *Streams) UnmarshalText(text []byte) error {
	n, err := wholeNumber(text, 1, 1000, "streams")
	*s = Streams(n)
	return err
}

// PID is the number of a process, or Shared; 0 stands for none.
type PID int

// Shared stands for the process that shares this one's PID namespace, as the server's does in the compose file.
const Shared PID = -1

// UnmarshalText fails when text is neither a positive number nor "shared".
func (p *PID) UnmarshalText(text []byte) error {
	if string(text) == "shared" {
		*p = Shared
		return nil
	}
	n, err := wholeNumber(text, 1, 1<<22, "a process")
	if err != nil {
		err = fmt.Errorf("%w, or \"shared\"", err)
	}
	*p = PID(n)
	return err
}

// Port is a TCP port from 1 to 65535.
type Port uint16

// UnmarshalText fails when text is not such a number.
func (p *Port) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil || n == 0 {
		return errors.New("expected a port number from 1 to 65535")
	}
	*p = Port(n)
	return nil
}

func wholeNumber(text []byte, low, high int, what string) (int, error) {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("expected a whole number (%s) from %d to %d", what, low, high)
	}
	return n, nil
}

// Lengths of a request, and of a burst of load.
const (
	shortestDuration = time.Millisecond
	longestDuration  = time.Hour
)

// Duration is a length of time from a millisecond to an hour.
type Duration time.Duration

// UnmarshalText fails when text is not such a length of time, with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := duration(text)
	switch {
	case err != nil:
	case value == 0:
		err = errors.New("expected more than 0")
	case value < shortestDuration:
		err = fmt.Errorf("expected at least %s", shortestDuration)
	}
	*d = Duration(value)
	return err
}

// Burst is the length of an iteration's load, from a millisecond to an hour, or AutoBurst.
type Burst time.Duration

// AutoBurst stands for a length that suits the run.
const AutoBurst Burst = -1

// UnmarshalText fails when text is neither such a length of time, with its unit, nor "auto".
func (b *Burst) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*b = AutoBurst
		return nil
	}
	var length Duration
	err := length.UnmarshalText(text)
	if err != nil {
		err = fmt.Errorf("%w, or \"auto\"", err)
	}
	*b = Burst(length)
	return err
}

// Pause is a length of time from 0 to an hour.
type Pause time.Duration

// UnmarshalText fails when text is not such a length of time, with its unit.
func (p *Pause) UnmarshalText(text []byte) error {
	value, err := duration(text)
	*p = Pause(value)
	return err
}

// Rest is a length of time from 0 to an hour, or AutoRest.
type Rest time.Duration

// AutoRest stands for a length of time that suits the server.
const AutoRest Rest = -1

// UnmarshalText fails when text is neither such a length of time, with its unit, nor "auto".
func (r *Rest) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*r = AutoRest
		return nil
	}
	value, err := duration(text)
	if err != nil {
		err = fmt.Errorf("%w, or \"auto\"", err)
	}
	*r = Rest(value)
	return err
}

func duration(text []byte) (time.Duration, error) {
	value, err := time.ParseDuration(string(text))
	if err != nil {
		if _, err := strconv.ParseFloat(string(text), 64); err == nil {
			return 0, fmt.Errorf("missing unit, for example \"%ss\"", text)
		}
		return 0, errors.New("expected a length of time with its unit, for example \"3s\" or \"500ms\"")
	}
	if value < 0 || value > longestDuration {
		return 0, fmt.Errorf("expected a length of time from 0s to %s", longestDuration)
	}
	return value, nil
}

// Host is a host name or an IP address, without a port.
type Host string

var (
	hostPattern = regexp.MustCompile(`^[A-Za-z0-9._:%-]+$`)
	// A name as DNS has it, or as Compose calls a service; one of numbers alone would be an address.
	hostName = regexp.MustCompile(`^(\w([\w-]{0,61}\w)?\.)*\w([\w-]{0,61}\w)?\.?$`)
	numbers  = regexp.MustCompile(`^[0-9.]+$`)
)

// UnmarshalText fails when text cannot be a host.
func (h *Host) UnmarshalText(text []byte) error {
	_, err := netip.ParseAddr(string(text))
	if !hostPattern.Match(text) || err != nil && (!hostName.Match(text) || numbers.Match(text) || len(text) > 253) {
		return errors.New("expected a host name or an IP address, without a scheme or a port")
	}
	*h = Host(text)
	return nil
}

// Path is what is requested from the server: a path with an optional query.
type Path string

// UnmarshalText fails when text is not an absolute path.
func (p *Path) UnmarshalText(text []byte) error {
	target, err := url.ParseRequestURI(string(text))
	if err != nil || target.Host != "" || text[0] != '/' || strings.ContainsFunc(string(text), func(r rune) bool { return r <= ' ' || r == '#' || r >= 0x7f }) {
		return errors.New("expected a path that begins with \"/\", percent-encoded, without a host")
	}
	*p = Path(text)
	return nil
}

// URL is an http or https address.
type URL string

// UnmarshalText fails when text is not such an address.
func (u *URL) UnmarshalText(text []byte) error {
	target, err := url.Parse(string(text))
	if err != nil || target.Hostname() == "" || target.Scheme != "http" && target.Scheme != "https" || !isPort(target.Port()) {
		return errors.New("expected an address such as \"http://server:9101/metrics\"")
	}
	*u = URL(text)
	return nil
}

// isPort is true for a port, and for no text.
func isPort(text string) bool {
	var port Port
	return text == "" || port.UnmarshalText([]byte(text)) == nil
}

// File is the path of a file or a folder.
type File string

// UnmarshalText fails when text has control characters, such as a line end of a settings file, which are always a mistake.
func (f *File) UnmarshalText(text []byte) error {
	if bytes.ContainsFunc(text, unicode.IsControl) {
		return errors.New("expected a path without control characters")
	}
	*f = File(text)
	return nil
}

// Live is a runtime that tells live memory, or how it is chosen; empty if that is not set.
type Live string

// liveKinds are the values of LIVE. A test compares them with those that can be read.
var liveKinds = []string{"auto", "off", "go", "node", "jvm", "python", "native", "tcmalloc", "jemalloc"}

// UnmarshalText fails when text is not such a word.
func (l *Live) UnmarshalText(text []byte) error {
	if !slices.Contains(liveKinds, string(text)) {
		return fmt.Errorf("expected one of %s", strings.Join(liveKinds, ", "))
	}
	*l = Live(text)
	return nil
}

// Sites is how sites are named.
type Sites string

// The ways.
const (
	AutoSites Sites = "auto"
	NoSites   Sites = "off"
)

// UnmarshalText fails when text is neither.
func (s *Sites) UnmarshalText(text []byte) error {
	if *s = Sites(text); *s != AutoSites && *s != NoSites {
		return errors.New("expected auto or off")
	}
	return nil
}

// leakModes are the values of LEAK. A test of the demo server compares them with its own list.
var leakModes = []string{"abort", "body", "burst", "cache", "conn", "expire", "goroutine", "heap", "log", "map", "none", "path", "session", "socket", "stream"}

// CheckDemo returns what is wrong with the settings of the demo server, in its words.
func (c Config) CheckDemo() error {
	var wrong []error
	if c.Leak != "" && !slices.Contains(leakModes, c.Leak) {
		wrong = append(wrong, fmt.Errorf("LEAK=%q: expected one of %s", c.Leak, strings.Join(leakModes, ", ")))
	}
	const most = 1 << 18
	if n, err := strconv.Atoi(c.LeakBytes); c.LeakBytes != "" && (err != nil || n < 0 || n > most) {
		wrong = append(wrong, fmt.Errorf("LEAK_BYTES=%q: expected a whole number of bytes from 0 to %d", c.LeakBytes, most))
	}
	return errors.Join(append(wrong, checkTTL(c.LeakTTL), checkEntries(c.LeakEntries))...)
}

// checkTTL returns what is wrong with a LEAK_TTL that is set.
func checkTTL(text string) error {
	value, err := time.ParseDuration(text)
	if text == "" || err == nil && value >= time.Millisecond && value <= time.Hour {
		return nil
	}
	return fmt.Errorf("LEAK_TTL=%q: expected a length of time from 1ms to 1h, for example \"10s\"", text)
}

// checkEntries returns what is wrong with a LEAK_ENTRIES that is set.
func checkEntries(text string) error {
	n, err := strconv.Atoi(text)
	if text == "" || err == nil && n >= 1 && n <= 10_000_000 {
		return nil
	}
	return fmt.Errorf("LEAK_ENTRIES=%q: expected a whole number of entries from 1 to 10000000", text)
}
