// Package profile fetches the heap and goroutine profiles of a Go server, and finds the call sites that grew between two of
// them. It knows neither the load nor how memory is judged.
package profile

import (
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"leaklab/loader/scrape"
)

const (
	timeout  = 10 * time.Second
	maxBytes = 8 << 20 // of a profile, decompressed
)

// Kind is the name of a profile of net/http/pprof.
type Kind string

// The kinds.
const (
	Heap      Kind = "heap"      // bytes in use at the last garbage collection
	Goroutine Kind = "goroutine" // goroutines that exist
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Heap, Goroutine} }

// sample is the sample type that Growth compares.
func (k Kind) sample() string {
	if k == Heap {
		return "inuse_space"
	}
	return "goroutine"
}

// Snapshot holds the profiles of a server at one moment.
type Snapshot map[Kind]*profile.Profile

// Fetch takes a snapshot from url, the address of the server's /debug/pprof/. It fails unless each profile arrives within
// 10 s, with status 200 and in a valid format of at most 8 MiB.
func Fetch(ctx context.Context, url string) (Snapshot, error) {
	s := make(Snapshot)
	for _, kind := range Kinds() {
		p, err := fetch(ctx, strings.TrimSuffix(url, "/")+"/"+string(kind))
		if err != nil {
			return nil, err
		}
		s[kind] = p
	}
	return s, nil
}

func fetch(ctx context.Context, url string) (*profile.Profile, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := scrape.Get(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := unpack(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", scrape.Public(url), err)
	}
	p, err := profile.ParseUncompressed(content)
	if err == nil {
		err = p.CheckValid()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", scrape.Public(url), err)
	}
	return p, nil
}

// unpack decompresses gzip data of at most maxBytes.
func unpack(packed io.Reader) ([]byte, error) {
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(unpacked, maxBytes+1))
	if err == nil && len(content) > maxBytes {
		err = fmt.Errorf("the profile is larger than %d MiB", maxBytes>>20)
	}
	return content, err
}

// Save has each profile written as KIND-LABEL.pb.gz, which `go tool pprof` reads. replace is called with the name of a file
// and with what writes its content. Save returns the names of the files written, also with the error of writing one.
func (s Snapshot) Save(replace func(name string, write func(io.Writer) error) error, label string) ([]string, error) {
	var names []string
	for _, kind := range Kinds() {
		if s[kind] == nil {
			continue
		}
		name := fmt.Sprintf("%s-%s.pb.gz", kind, label)
		if err := replace(name, s[kind].Write); err != nil {
			return names, err
		}
		names = append(names, name)
	}
	return names, nil
}

// Line is a line of the server's code.
type Line struct {
	Function string
	File     string
	Number   int64
}

// String returns "main.keep (main.go:12)"; "" for the zero Line.
func (l Line) String() string {
	if l.Function == "" {
		return ""
	}
	return fmt.Sprintf("%s (%s:%d)", l.Function, filepath.Base(l.File), l.Number)
}

// Site is a call site in the server's code, with its caller and its growth.
type Site struct {
	Line
	Caller Line
	// Growth is in bytes for Heap, in goroutines for Goroutine.
	Growth int64
}

// The least growth of a site. Less than this fluctuates, and heap profiles sample one allocation per 512 KiB.
const (
	leastBytes      = 256 << 10
	leastGoroutines = 64
	leastShare      = 0.05 // of the growth of the site that grew most
)

// Growth returns the call sites that grew most between two snapshots, at most count, the largest first. It returns none
// if either has no such profile. A site is the innermost line outside the runtime. The difference is that of pprof
// -diff_base: the first profile, with negated samples, merged into the second. It fails if the profiles do not match.
func Growth(before, after Snapshot, kind Kind, count int) ([]Site, error) {
	if before[kind] == nil || after[kind] == nil {
		return nil, nil
	}
	base := before[kind].Copy()
	base.Scale(-1)
	difference, err := profile.Merge([]*profile.Profile{base, after[kind].Copy()})
	if err != nil {
		return nil, fmt.Errorf("compare the %s profiles: %w", kind, err)
	}
	index := slices.IndexFunc(difference.SampleType, func(t *profile.ValueType) bool { return t.Type == kind.sample() })
	if index < 0 {
		return nil, fmt.Errorf("the %s profile has no samples of %s", kind, kind.sample())
	}
	gained := make(map[Site]int64)
	for _, sample := range difference.Sample {
		gained[siteOf(sample)] += sample.Value[index]
	}
	least := int64(leastBytes)
	if kind == Goroutine {
		least = leastGoroutines
	}
	for _, growth := range gained {
		least = max(least, int64(leastShare*float64(growth)))
	}
	var sites []Site
	for site, growth := range gained {
		if growth >= least {
			site.Growth = growth
			sites = append(sites, site)
		}
	}
	slices.SortFunc(sites, func(a, b Site) int {
		return cmp.Or(cmp.Compare(b.Growth, a.Growth), cmp.Compare(a.String(), b.String()), cmp.Compare(a.Caller.String(), b.Caller.String()))
	})
	return sites[:min(count, len(sites))], nil
}

// siteOf returns the innermost line of the sample's stack outside the runtime, and its caller; the outermost line if all
// are in the runtime.
func siteOf(sample *profile.Sample) Site {
	var lines []Line
	var last Line
	for _, location := range sample.Location {
		for _, line := range location.Line {
			if line.Function == nil {
				continue
			}
			last = Line{Function: line.Function.Name, File: line.Function.Filename, Number: line.Line}
			if !strings.HasPrefix(last.Function, "runtime.") && !strings.HasPrefix(last.Function, "internal/runtime/") {
				lines = append(lines, last)
			}
		}
	}
	switch len(lines) {
	case 0:
		return Site{Line: last}
	case 1:
		return Site{Line: lines[0]}
	default:
		return Site{Line: lines[0], Caller: lines[1]}
	}
}
