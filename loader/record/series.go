package record

import (
	"slices"
	"time"
)

// Point is resident memory at one moment.
type Point struct {
	At    time.Time
	Bytes int64
}

// mostPoints is about as many as a chart can show. It is even.
const mostPoints = 1200

// series keeps at most mostPoints of all points that are added, without losing the extremes: when there are too many,
// the lowest and the highest of every four stay, and later ones are thinned as much before they are added.
type series struct {
	points  []Point
	thinned int     // how many points make one of points; 0 is 1
	pending []Point // fewer than make two of points
}

func (s *series) add(p Point) {
	if s.thinned == 0 {
		s.points = append(s.points, p)
	} else if s.pending = append(s.pending, p); len(s.pending) == 2*s.thinned {
		s.points = append(s.points, extremes(s.pending)...)
		s.pending = s.pending[:0]
	}
	if len(s.points) < mostPoints {
		return
	}
	s.thinned = max(1, s.thinned) * 2
	kept := s.points[:0]
	for i := 0; i < len(s.points); i += 4 {
		kept = append(kept, extremes(s.points[i:i+4])...)
	}
	s.points = kept
}

// all returns the points so far.
func (s *series) all() []Point {
	points := slices.Clone(s.points)
	if len(s.pending) > 0 {
		points = append(points, extremes(s.pending)...)
	}
	return points
}

// extremes returns the lowest and the highest of points, in the order of time.
func extremes(points []Point) []Point {
	low, high := 0, 0
	for i, p := range points {
		if p.Bytes < points[low].Bytes {
			low = i
		}
		if p.Bytes >= points[high].Bytes {
			high = i
		}
	}
	return []Point{points[min(low, high)], points[max(low, high)]}
}
