package verdict_test

import (
	"encoding/binary"
	"math"
	"testing"

	"leaklab/loader/verdict"
)

// For any input, the figures are finite, in order, and consistent with the kind.
func FuzzJudge(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add(make([]byte, 24*12), 100)
	f.Fuzz(func(t *testing.T, data []byte, maxIterations int) {
		var its []verdict.Iteration
		for len(data) >= 24 && len(its) < 200 {
			its = append(its, verdict.Iteration{
				Requests:   binary.LittleEndian.Uint64(data),
				StartBytes: binary.LittleEndian.Uint64(data[8:]),
				EndBytes:   binary.LittleEndian.Uint64(data[16:]),
			})
			data = data[24:]
		}
		v := verdict.Judge(its, verdict.Options{Tolerance: 4, MaxIterations: maxIterations % 200})
		for _, x := range []float64{v.Growth, v.Lower, v.Upper, v.Early, v.Late, v.Resolution} {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("not finite: %+v", v)
			}
		}
		if v.Lower > v.Growth || v.Growth > v.Upper {
			t.Fatalf("out of order: %+v", v)
		}
		if v.Kind != verdict.Inconclusive && !v.Estimated || v.Sentence == "" {
			t.Fatalf("unfounded: %+v", v)
		}
		if v.Kind == verdict.Leak && v.Lower <= 4 || v.Kind == verdict.NoLeak && v.Upper >= 4 {
			t.Fatalf("contradicts its interval: %+v", v)
		}
	})
}
