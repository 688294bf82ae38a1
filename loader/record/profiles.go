package record

import (
	"fmt"
	"path/filepath"
	"strconv"

	"leaklab/loader/text"
)

// Profiles are the server's own profiles: the files that were saved, and the call sites that gained most between the
// first and the last, those of the heap first.
type Profiles struct {
	Files    []string   `json:"files"`              // names in the folder of the run
	Requests uint64     `json:"requests,omitempty"` // between the first profiles and the last
	Sites    []CallSite `json:"sites,omitempty"`
}

// CallSite is a place in the server's code, and what was gained there: bytes of live heap, or goroutines. The other of
// the two is 0.
type CallSite struct {
	Kind                 string  `json:"kind"` // of the profile: "heap" or "goroutine"
	Place                        // the innermost line that is not the runtime's
	CalledBy             *Place  `json:"called_by,omitempty"`
	Bytes                int64   `json:"bytes,omitempty"`
	BytesPerRequest      float64 `json:"bytes_per_request,omitempty"`
	Goroutines           int64   `json:"goroutines,omitempty"`
	GoroutinesPerRequest float64 `json:"goroutines_per_request,omitempty"`
}

// Place is a line of code; File is as the compiler has noted it.
type Place struct {
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int64  `json:"line"`
}

// String is like "main.keep (main.go:12)".
func (p Place) String() string {
	return fmt.Sprintf("%s (%s:%d)", p.Function, filepath.Base(p.File), p.Line)
}

// What is what has grown there, as the table of a report calls it.
func (s CallSite) What() string {
	if s.Goroutines != 0 {
		return "Goroutines"
	}
	return "Live heap"
}

// Gained is how much, with its unit.
func (s CallSite) Gained() string {
	if s.Goroutines != 0 {
		return strconv.FormatInt(s.Goroutines, 10)
	}
	return fmt.Sprintf("%.1f MiB", float64(s.Bytes)/text.Mebibyte)
}

// PerRequest is how much for a request, or for 1,000 of them, with its unit.
func (s CallSite) PerRequest() string {
	if s.Goroutines != 0 {
		return fmt.Sprintf("%.1f per 1,000 requests", 1000*s.GoroutinesPerRequest)
	}
	return fmt.Sprintf("%.1f bytes/request", s.BytesPerRequest)
}

// Lines are a sentence for each call site, without a caller that is not known.
func (p *Profiles) Lines() []string {
	var lines []string
	for _, s := range p.Sites {
		where := s.Place.String()
		if s.CalledBy != nil {
			where += ", called by " + s.CalledBy.String()
		}
		lines = append(lines, fmt.Sprintf("%s gained %s, %s, at %s.", s.What(), s.Gained(), s.PerRequest(), where))
	}
	return lines
}
