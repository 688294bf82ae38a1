package live

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/memory"
	"leaklab/loader/text"
)

const (
	mostSites   = 4096     // of a reading
	mostCallers = 8        // of a site
	mostName    = 400      // characters of a function or file
	mostNames   = 16 << 20 // bytes of all sites of a reading, with their names
	siteRoom    = 512      // bytes that a site takes, without its names
)

// frame is a place on a stack.
type frame struct {
	function, file string
	line           int
}

// String is "main.keep main.go:12".
func (f frame) String() string {
	if f.file == "" {
		return f.function
	}
	return fmt.Sprintf("%s %s:%d", f.function, filepath.Base(f.file), f.line)
}

// oneLine replaces what text.Printable leaves of the characters that steer a terminal.
var oneLine = strings.NewReplacer("\n", `\n`, "\t", " ")

// name is a function or file that the server tells, as one line of printable text.
func name(told string) string { return text.Clip(oneLine.Replace(text.Printable(told)), mostName) }

// siteSum adds what stacks hold up by the place that they belong to. The zero siteSum is empty.
type siteSum struct {
	sites map[memory.SiteKey]*memory.Site
	most  map[memory.SiteKey]int64 // bytes of the stack whose callers a site has
	names int                      // bytes of all sites, with their names
}

// add books what a stack holds on its frame at, whose callers are the frames behind it, and returns that site. A new site
// is left out where all have mostNames.
func (s *siteSum) add(stack []frame, at int, bytes, objects int64, class string) *memory.Site {
	if s.sites == nil {
		s.sites, s.most = make(map[memory.SiteKey]*memory.Site), make(map[memory.SiteKey]int64)
	}
	here := stack[at]
	key := memory.SiteKey{Class: class, Function: here.function, File: here.file, Line: here.line}
	site := s.sites[key]
	if site == nil {
		if s.names > mostNames {
			return &memory.Site{}
		}
		s.names += siteRoom + len(here.function) + len(here.file)
		site = &memory.Site{Class: class, Function: here.function, File: here.file, Line: here.line}
		s.sites[key] = site
	}
	if site.Objects == 0 || bytes > s.most[key] {
		s.most[key] = bytes
		for _, caller := range site.Callers {
			s.names -= len(caller)
		}
		site.Callers = nil
		for _, caller := range stack[at+1 : min(len(stack), at+1+mostCallers)] {
			site.Callers = append(site.Callers, caller.String())
			s.names += len(site.Callers[len(site.Callers)-1])
		}
	}
	site.Bytes = min(site.Bytes+bytes, mostBytes)
	site.Objects = min(site.Objects+objects, mostBytes)
	return site
}

// largest are at most mostSites of the sites, the largest first.
func (s *siteSum) largest() []memory.Site {
	all := make([]memory.Site, 0, len(s.sites))
	for _, site := range s.sites {
		all = append(all, *site)
	}
	slices.SortFunc(all, func(a, b memory.Site) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Function, b.Function), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Class, b.Class))
	})
	return all[:min(len(all), mostSites)]
}

// heapLine reads a line of a heap profile as text, "13: 832 [20: 1280] @ 0x46b1e5 0x46c0a1": objects and bytes in use,
// those ever allocated, and the stack, innermost first. It is false for any other line.
func heapLine(line string) (objects, bytes int64, stack string, ok bool) {
	counts, stack, found := strings.Cut(line, "@")
	inUse, _, bracket := strings.Cut(counts, "[")
	many, size, colon := strings.Cut(inUse, ":")
	if !found || !bracket || !colon {
		return 0, 0, "", false
	}
	objects, err := strconv.ParseInt(strings.TrimSpace(many), 10, 64)
	if err != nil || objects < 0 || objects > mostBytes {
		return 0, 0, "", false
	}
	bytes, err = strconv.ParseInt(strings.TrimSpace(size), 10, 64)
	if err != nil || bytes < 0 || bytes > mostBytes {
		return 0, 0, "", false
	}
	return objects, bytes, stack, true
}
