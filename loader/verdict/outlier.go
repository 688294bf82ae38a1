package verdict

import (
	"math"
	"slices"
)

// withoutOutliers returns the curve with isolated outliers replaced: a spike, or pages
// that an allocator returns for a moment. It is Hampel's filter with a window of five
// readings. A reading more than five standard deviations from the window's median
// becomes that median; the standard deviation is estimated by the median absolute
// deviation. A median preserves steps and saw-teeth.
//
// The first two readings stay. So does a rise in the last two, which may be a step; a
// fall in them is compared with the median of the last three. If more than a quarter
// of the readings are outliers, that is normal for the server, and all stay.
func withoutOutliers(c curve) curve {
	n := len(c.bytes)
	if n < minIterations {
		return c
	}
	medians := make([]float64, n)
	distances := make([]float64, n)
	for i := range n {
		medians[i] = c.bytes[i]
		switch {
		case i >= n-2:
			medians[i] = max(c.bytes[i], median(c.bytes[n-3:]))
		case i >= 2:
			medians[i] = median(c.bytes[i-2 : i+3])
		}
		distances[i] = math.Abs(c.bytes[i] - medians[i])
	}
	limit := max(c.floor, 5*1.4826*median(distances[2:]))
	cleaned := slices.Clone(c.bytes)
	replaced := 0
	for i, d := range distances {
		if d > limit {
			cleaned[i] = medians[i]
			replaced++
		}
	}
	if replaced > n/4 {
		return c
	}
	return curve{requests: c.requests, bytes: cleaned, scale: c.scale}
}

// median is the median of the values, which are not modified.
func median(values []float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	m := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return sorted[m-1] + (sorted[m]-sorted[m-1])/2
	}
	return sorted[m]
}
