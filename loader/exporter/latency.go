package exporter

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"leaklab/loader/load"
)

// latencyBuckets are the upper bounds of the classic buckets, in seconds.
var latencyBuckets = []float64{50e-6, 100e-6, 200e-6, 500e-6, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10}

// latencyMetric shows the latencies in both of Prometheus's kinds of histogram: in classic buckets, and in native
// ones that are 9% apart.
func latencyMetric(desc *prometheus.Desc, totals *load.Totals) prometheus.Metric {
	count, sum := uint64(totals.Latency.TotalCount()), totals.SumLatency.Seconds()
	buckets, zero := nativeBuckets(totals)
	return bothKinds{
		Metric: prometheus.MustNewConstHistogram(desc, count, sum, cumulative(totals)),
		native: prometheus.MustNewConstNativeHistogram(desc, count, sum, buckets, nil, zero, nativeSchema, zeroThreshold, time.Now()),
	}
}

const (
	nativeSchema  = 3    // bucket n ends at 2^(n/8) seconds
	zeroThreshold = 1e-9 // seconds; what is not longer is in the zero bucket
)

// bothKinds is a classic histogram with the buckets of a native one beside it.
type bothKinds struct {
	prometheus.Metric
	native prometheus.Metric
}

// Write writes both.
func (b bothKinds) Write(out *dto.Metric) error {
	if err := b.Metric.Write(out); err != nil {
		return err
	}
	var native dto.Metric
	if err := b.native.Write(&native); err != nil {
		return err
	}
	h, n := out.Histogram, native.Histogram
	h.Schema, h.ZeroThreshold, h.ZeroCount = n.Schema, n.ZeroThreshold, n.ZeroCount
	h.PositiveSpan, h.PositiveDelta = n.PositiveSpan, n.PositiveDelta
	return nil
}

// nativeBuckets counts the answers by the number of their native bucket, and those that took no time.
func nativeBuckets(totals *load.Totals) (buckets map[int]int64, zero uint64) {
	buckets = make(map[int]int64)
	for _, bar := range totals.Latency.Distribution() {
		switch seconds := time.Duration(bar.To).Seconds(); {
		case bar.Count == 0:
		case seconds > zeroThreshold:
			buckets[int(math.Ceil(math.Log2(seconds)*(1<<nativeSchema)))] += bar.Count
		default:
			zero += uint64(bar.Count)
		}
	}
	return buckets, zero
}

// cumulative returns, for each bucket's upper bound in seconds, the number of answers that took at most as
// long. A latency within 1% of a bound may be counted on its other side.
func cumulative(totals *load.Totals) map[float64]uint64 {
	buckets := make(map[float64]uint64, len(latencyBuckets))
	bars := totals.Latency.Distribution()
	var sum uint64
	for _, bound := range latencyBuckets {
		for len(bars) > 0 && time.Duration(bars[0].To).Seconds() <= bound {
			sum += uint64(bars[0].Count)
			bars = bars[1:]
		}
		buckets[bound] = sum
	}
	return buckets
}
