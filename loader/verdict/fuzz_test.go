package verdict_test

import (
	"encoding/binary"
	"math"
	"testing"

	"leaklab/loader/verdict"
)

// For any input, the figures are finite, in order, and consistent with the kind. parts has a bit for live memory, one for
// mapped files, one for what is swapped out, and one for a rest. Readings have times.
func FuzzJudge(f *testing.F) {
	const record = 48
	f.Add([]byte{}, 0, uint8(0))
	for parts := range uint8(16) {
		f.Add(make([]byte, record*12), 100, parts)
	}
	f.Fuzz(func(t *testing.T, data []byte, maxIterations int, parts uint8) {
		var its []verdict.Iteration
		for len(data) >= record && len(its) < 200 {
			var values [record / 8]uint64
			for i := range values {
				values[i] = binary.LittleEndian.Uint64(data[8*i:])
			}
			it := verdict.Iteration{Requests: values[0], StartBytes: values[1], EndBytes: values[2], Parts: map[verdict.Part]uint64{},
				StartSecond: float64(2*len(its) + 1), EndSecond: float64(2*len(its) + 2)}
			if parts&1 != 0 {
				it.Parts[verdict.Live], it.Parts[verdict.Outside], it.Parts[verdict.LiveIdle] = values[3], values[4], values[5]
			}
			if parts&2 != 0 {
				it.Parts[verdict.File], it.Parts[verdict.MappedSize] = values[4], values[5]
			}
			if parts&4 != 0 {
				it.Parts[verdict.Swapped], it.Parts[verdict.LazyFree] = values[5], values[3]
			}
			its, data = append(its, it), data[record:]
		}
		options := verdict.Options{Tolerance: 4, MaxIterations: maxIterations % 200}
		if parts&8 != 0 && len(its) > 0 {
			last := its[len(its)-1]
			options.Rest = &verdict.Rest{Seconds: 2, Bytes: last.StartBytes, PartsSecond: last.EndSecond + 2, Parts: map[verdict.Part]uint64{verdict.Live: last.StartBytes}}
		}
		v := verdict.Judge(its, options)
		figures := []float64{v.Growth, v.Lower, v.Upper, v.Early, v.Late, v.Resolution}
		for _, g := range v.Growths {
			figures = append(figures, g.Growth, g.Lower, g.Upper)
			if g.Lower > g.Growth || g.Growth > g.Upper {
				t.Fatalf("out of order: %+v", g)
			}
		}
		for _, x := range figures {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("not finite: %+v", v)
			}
		}
		if v.Lower > v.Growth || v.Growth > v.Upper {
			t.Fatalf("out of order: %+v", v)
		}
		if v.Kind != verdict.Inconclusive && !v.Estimated || v.Sentence == "" || v.Of == "" {
			t.Fatalf("unfounded: %+v", v)
		}
		if v.Kind == verdict.Leak && v.Lower <= 4 || v.Kind == verdict.NoLeak && v.Upper >= 4 {
			t.Fatalf("contradicts its interval: %+v", v)
		}
	})
}
