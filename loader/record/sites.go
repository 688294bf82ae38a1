package record

import (
	"fmt"
	"slices"

	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// Sites are what the growth of live memory belongs to: places in the server's code, classes, or both.
type Sites struct {
	LookedAt int `json:"looked_at"` // sites that were judged, or that the naming iteration told
	// FalseDiscoveryRate is the share of those in List that may be there by chance, on average over such runs.
	FalseDiscoveryRate float64 `json:"false_discovery_rate"`
	// Explained is the growth of those in List as a share of that of live memory, without those outside of it. Both are
	// estimates, so it may be more than 1. It is nil if it is not known.
	Explained *float64 `json:"explained,omitempty"`
	// JudgedFirst and JudgedLast are iterations, counted from 1; 0 if all that is known is from the naming iteration.
	JudgedFirst int     `json:"judged_first,omitempty"`
	JudgedLast  int     `json:"judged_last,omitempty"`
	Confidence  float64 `json:"confidence"` // of the intervals
	// NamingRequests are those of the naming iteration, the one more that names what is kept; 0 if there was none.
	NamingRequests uint64        `json:"naming_requests,omitempty"`
	List           []Site        `json:"list,omitempty"`  // that surely grow, the largest first, at most 10
	Files          []ProfileFile `json:"files,omitempty"` // profiles in the runtime's own format
	// Unnamed is why less is named than could be, in a clause, with what to do about it; empty if all is.
	Unnamed string `json:"unnamed,omitempty"`
}

// Site is a place, a class, or both, that memory is kept at. Texts are printable.
type Site struct {
	Class    string `json:"class,omitempty"` // of the objects
	Function string `json:"function,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	// InFunction is true if Line is the first of Function, since the line in it is not known.
	InFunction bool     `json:"in_function,omitempty"`
	Callers    []string `json:"callers,omitempty"` // of Function, the nearest first
	Holders    []string `json:"holders,omitempty"` // of the objects, the nearest first

	BytesPerRequest   Interval  `json:"bytes_per_request"`
	ObjectsPerRequest *Interval `json:"objects_per_request,omitempty"` // nil if it is not known
	Sampled           bool      `json:"sampled,omitempty"`             // the figures are estimated from a sample
	// OneIteration is true if the figures are those of the naming iteration alone. The interval has the error of the sample
	// then, but not what differs from one iteration to another.
	OneIteration bool  `json:"one_iteration,omitempty"`
	Outside      bool  `json:"outside,omitempty"` // the heap: no part of live memory
	BytesEnd     int64 `json:"bytes_end"`         // after the last iteration, or kept of the naming iteration
	ObjectsEnd   int64 `json:"objects_end,omitempty"`
}

// Interval is an estimate and its interval.
type Interval struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// ProfileFile is a profile in the runtime's own format.
type ProfileFile struct {
	Name string `json:"name"` // in the folder of the run
	Open string `json:"open"` // a command, or what to do, that shows it
}

// Where is the place in code, without a class: "main.keep (main.go:12)", "JavaLeak.register line 9", "in keep (app.js:12)";
// empty if none is known.
func (s Site) Where() string {
	place := s.File
	if s.Line > 0 && place != "" {
		place = fmt.Sprintf("%s:%d", place, s.Line)
	}
	where := s.Function
	switch {
	case where == "":
		where = place
	case place != "":
		where += " (" + place + ")"
	case s.Line > 0:
		where += fmt.Sprintf(" line %d", s.Line)
	}
	if s.InFunction && where != "" {
		where = "in " + where
	}
	return text.Printable(where)
}

// check returns the first contradiction.
func (s *Sites) check() error {
	if s == nil {
		return nil
	}
	if s.LookedAt < 0 || len(s.List) > MostSites {
		return fmt.Errorf("sites: %d of %d; expected at most %d of 0 or more", len(s.List), s.LookedAt, MostSites)
	}
	for n, site := range s.List {
		intervals := []Interval{site.BytesPerRequest}
		if site.ObjectsPerRequest != nil {
			intervals = append(intervals, *site.ObjectsPerRequest)
		}
		if slices.ContainsFunc(intervals, func(i Interval) bool { return i.Low > i.High }) {
			return fmt.Errorf("sites.list[%d]: the low end of an interval is above its high end", n)
		}
	}
	return nil
}

// MostSites is how many sites a record holds.
const MostSites = verdict.MostSites
